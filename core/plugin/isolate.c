#include "plugin/isolate_impl.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "plugin/loader.h"
#include "base/banned.h"

#define EVENTS     64
#define IO_WORKERS 2
#define IO_JOBS    1000
#define MAX_SHOWN  256 /* plugins that isolate_each() tells */

const char *isolate_state_name(enum isolate_state state)
{
    static const char *const names[] = {"starting", "ok", "backing off", "idle", "broken"};

    return names[state];
}

/* ---- [plugins] ---- */

static void on_event(struct isolate *isolate, const struct epoll_event *event)
{
    struct isolate_source *source = event->data.ptr;
    uint64_t count;

    if (!source) {
        (void)!read(isolate->wake, &count, sizeof(count));
        return;
    }
    if (source->fd < 0)
        return; /* closed by an earlier event of this turn */
    switch (source->what) {
    case ISOLATE_SOCKET: isolate_on_socket(source->gen, event->events); break;
    case ISOLATE_OUTPUT: isolate_on_output(source->gen); break;
    default: isolate_on_exit(source->gen); break;
    }
}

/* There are enough processes of generations that were replaced later. */
static bool is_crowded(const struct isolate_gen *first, const struct isolate_gen *gen)
{
    unsigned n = 0;

    if (!gen->pid || !gen->retired)
        return false;
    for (const struct isolate_gen *other = first; other != gen; other = other->next)
        n += other->pid && other->retired && strcmp(other->name, gen->name) == 0;
    return n >= ISOLATE_MAX_OLD;
}

/* With the isolate's lock. One that never worked, and of which nobody wants to know any more. */
static bool is_forgotten(const struct isolate *isolate, struct isolate_gen *gen)
{
    const struct isolate_gen *newer = isolate->gens;

    if (gen->registered || gen->pid || gen->waited || atomic_load(&gen->requests) > 0 ||
        gen->state != ISOLATE_BROKEN)
        return false;
    while (newer != gen && strcmp(newer->name, gen->name) != 0)
        newer = newer->next;
    return newer != gen;
}

static void clear_up(struct isolate *isolate)
{
    struct isolate_gen **at, *gone = NULL;

    pthread_mutex_lock(&isolate->lock);
    for (at = &isolate->gens; *at;) {
        struct isolate_gen *gen = *at;
        if (!is_forgotten(isolate, gen)) {
            at = &gen->next;
            continue;
        }
        *at = gen->next;
        gen->next = gone;
        gone = gen;
    }
    pthread_mutex_unlock(&isolate->lock);
    while (gone) {
        struct isolate_gen *gen = gone;
        gone = gen->next;
        isolate_gen_free(gen);
    }
}

/* Answers how long to wait. *left: how many processes there are. */
static int tick(struct isolate *isolate, unsigned *left)
{
    uint64_t now = clock_now_ms();
    int wait = 1000;

    clear_up(isolate);
    pthread_mutex_lock(&isolate->lock);
    const struct isolate_gen *first = isolate->gens; /* what is added goes in front; removed it is by this thread */
    struct isolate_gen *gen = isolate->gens;
    bool stopping = isolate->stopping;
    pthread_mutex_unlock(&isolate->lock);
    *left = 0;
    for (; gen; gen = gen->next) {
        if (stopping && !gen->ended) {
            pthread_mutex_lock(&gen->lock);
            gen->ended = true;
            pthread_mutex_unlock(&gen->lock);
            isolate_ask_to_end(gen);
        }
        int due = isolate_tick(gen, now, is_crowded(first, gen));
        wait = due < wait ? due : wait;
        *left += gen->pid != 0;
    }
    return stopping && *left == 0 ? 0 : wait;
}

static bool is_over(struct isolate *isolate, unsigned left)
{
    pthread_mutex_lock(&isolate->lock);
    bool over = isolate->stopping && left == 0;
    pthread_mutex_unlock(&isolate->lock);
    return over;
}

/* An exit is looked at last: what was said before it counts. */
static void on_events(struct isolate *isolate, const struct epoll_event *events, int n, bool exits)
{
    for (int i = 0; i < n; i++) {
        const struct isolate_source *source = events[i].data.ptr;
        if ((source && source->what == ISOLATE_EXIT) == exits)
            on_event(isolate, &events[i]);
    }
}

static void *isolate_main(void *arg)
{
    struct isolate *isolate = arg;
    struct epoll_event events[EVENTS];
    unsigned left = 1;
    int wait;

    pthread_setname_np(pthread_self(), "plugins");
    while (wait = tick(isolate, &left), !is_over(isolate, left)) {
        int n = epoll_wait(isolate->epoll, events, EVENTS, wait);
        on_events(isolate, events, n, false);
        on_events(isolate, events, n, true);
    }
    return NULL;
}

/* ---- [main] ---- */

static enum antiphon_status start_thread(struct isolate *isolate)
{
    struct epoll_event event = {.events = EPOLLIN};
    sigset_t all, was;

    isolate->epoll = epoll_create1(EPOLL_CLOEXEC);
    isolate->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (isolate->epoll < 0 || isolate->wake < 0 ||
        epoll_ctl(isolate->epoll, EPOLL_CTL_ADD, isolate->wake, &event) != 0)
        return ANTIPHON_EUNAVAILABLE;
    thread_blocked(&all);
    pthread_sigmask(SIG_SETMASK, &all, &was);
    int rc = pthread_create(&isolate->thread, NULL, isolate_main, isolate);
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    return rc ? ANTIPHON_EUNAVAILABLE : ANTIPHON_OK;
}

enum antiphon_status isolate_new(const struct isolate_options *options, struct isolate **isolate, struct err *err)
{
    struct isolate *made = calloc(1, sizeof(*made));

    if (!made)
        return err_set(err, ANTIPHON_ENOMEM, "no memory for isolated plugins");
    made->program = options->program;
    made->registry = options->registry;
    made->services = *options->services;
    made->config = options->config;
    made->config_ctx = options->config_ctx;
    made->epoll = made->wake = -1;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->changed, NULL);
    enum antiphon_status status = pool_new("plugin-io", IO_WORKERS, IO_JOBS, &made->io);
    if (!status)
        status = start_thread(made);
    if (status) {
        made->stopped = true;
        isolate_free(made);
        return err_set(err, status, "cannot start the thread of isolated plugins");
    }
    *isolate = made;
    return ANTIPHON_OK;
}

void isolate_stop(struct isolate *isolate)
{
    if (!isolate || isolate->stopped)
        return;
    pthread_mutex_lock(&isolate->lock);
    isolate->stopping = true;
    pthread_cond_broadcast(&isolate->changed);
    pthread_mutex_unlock(&isolate->lock);
    isolate_wake(isolate);
    pthread_join(isolate->thread, NULL);
    isolate->stopped = true;
    for (struct isolate_gen *gen = isolate->gens; gen; gen = gen->next)
        isolate_call_fail_all(gen, "the server is ending", NULL, 0);
}

void isolate_free(struct isolate *isolate)
{
    struct isolate_gen *next;

    if (!isolate)
        return;
    isolate_stop(isolate);
    pool_free(isolate->io, 1000);
    for (struct isolate_gen *gen = isolate->gens; gen; gen = next) {
        next = gen->next;
        isolate_gen_free(gen);
    }
    if (isolate->epoll >= 0)
        close(isolate->epoll);
    if (isolate->wake >= 0)
        close(isolate->wake);
    pthread_cond_destroy(&isolate->changed);
    pthread_mutex_destroy(&isolate->lock);
    free(isolate);
}

static void add(struct isolate *isolate, struct isolate_gen *gen)
{
    pthread_mutex_lock(&isolate->lock);
    gen->next = isolate->gens;
    isolate->gens = gen;
    pthread_mutex_unlock(&isolate->lock);
    isolate_wake(isolate);
}

/* With the isolate's lock. */
static bool has_failed(struct isolate_gen *gen, struct err *err)
{
    pthread_mutex_lock(&gen->lock);
    bool failed = gen->state == ISOLATE_BROKEN;
    if (failed)
        *err = gen->why;
    pthread_mutex_unlock(&gen->lock);
    return failed;
}

static enum antiphon_status wait_for(struct isolate *isolate, struct isolate_gen *gen, struct err *err)
{
    bool failed;

    pthread_mutex_lock(&isolate->lock);
    while (!(failed = has_failed(gen, err)) && !gen->registered && !isolate->stopping)
        pthread_cond_wait(&isolate->changed, &isolate->lock);
    if (!failed && !gen->registered) {
        err_set(err, ANTIPHON_EUNAVAILABLE, "start: the server is ending");
        failed = true;
    }
    gen->waited = false;
    pthread_mutex_unlock(&isolate->lock);
    return failed ? err->status : ANTIPHON_OK;
}

enum antiphon_status isolate_load(struct isolate *isolate, const char *const *dirs, const char *name,
                                  const struct isolate_limits *limits, struct err *err)
{
    struct isolate_gen *gen = NULL;
    enum antiphon_status status = isolate_gen_new(isolate, dirs, name, limits ? limits->memory : 0, &gen, err);

    if (status)
        gen = isolate_gen_broken(isolate, name, err);
    else
        gen->waited = true;
    if (gen)
        add(isolate, gen);
    if (!status)
        status = wait_for(isolate, gen, err);
    if (status)
        err_prefix(err, "plugin %.*s", LOADER_MAX_NAME, name);
    return status;
}

/* ---- reports ---- */

/* What is told of one plugin. */
struct shown {
    struct isolate_gen *gen;
    struct isolate_gen *refused; /* a newer one that never worked; NULL: none */
};

static void report(const struct shown *shown, isolate_each_fn *fn, void *ctx)
{
    struct isolate_gen *gen = shown->gen;
    uint64_t now = clock_now_ms();
    struct err why, refused = {0};

    pthread_mutex_lock(&gen->lock);
    bool failing = gen->state == ISOLATE_BACKING_OFF || gen->state == ISOLATE_BROKEN;
    struct isolate_report told = {.name = gen->name,
                                  .version = gen->version ? gen->version : "",
                                  .state = gen->state,
                                  .pid = gen->pid,
                                  .generation = gen->number,
                                  .restarts = gen->restarts,
                                  .retry_in_ms = gen->state == ISOLATE_BACKING_OFF && gen->retry_ms > now
                                                     ? gen->retry_ms - now
                                                     : 0};
    why = gen->why;
    pthread_mutex_unlock(&gen->lock);
    if (shown->refused) {
        pthread_mutex_lock(&shown->refused->lock);
        refused = shown->refused->why;
        pthread_mutex_unlock(&shown->refused->lock);
    }
    told.reason = failing ? why.text : "";
    told.refused = refused.text;
    fn(ctx, &told);
}

static int by_name(const void *a, const void *b)
{
    const struct shown *one = a, *two = b;

    return strcmp(one->gen->name, two->gen->name);
}

/* With the isolate's lock; generations come newest first. */
static void collect(struct isolate_gen *gen, struct shown *shown, size_t *n)
{
    size_t at = 0;

    while (at < *n && strcmp(shown[at].gen->name, gen->name) != 0)
        at++;
    if (at == *n && *n < MAX_SHOWN) {
        shown[(*n)++] = (struct shown){gen, NULL};
    } else if (at < *n && !shown[at].gen->registered && gen->registered) {
        shown[at].refused = shown[at].gen;
        shown[at].gen = gen;
    }
}

void isolate_each(struct isolate *isolate, isolate_each_fn *fn, void *ctx)
{
    struct shown shown[MAX_SHOWN];
    size_t n = 0;

    pthread_mutex_lock(&isolate->lock);
    for (struct isolate_gen *gen = isolate->gens; gen; gen = gen->next)
        collect(gen, shown, &n);
    qsort(shown, n, sizeof(shown[0]), by_name);
    for (size_t i = 0; i < n; i++)
        report(&shown[i], fn, ctx);
    pthread_mutex_unlock(&isolate->lock);
}
