#include "base/alarm.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/banned.h"

#define FULL_MS 100 /* until a full pool is asked again */

struct item {
    struct pool_job job; /* first */
    uint64_t due_ms, number;
    alarm_fn *fn;
    void *ctx;
    char owner[]; /* NUL-terminated */
};

struct alarms {
    struct pool *pool; /* borrowed */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* below: under lock */
    struct item **heap; /* owned, as the items; earliest first: heap[i] is due before heap[2i+1] and heap[2i+2] */
    size_t n, cap;
    uint64_t last; /* number */
    bool stopping;
};

/* ---- the heap, under lock ------------------------------------------------------------------------------ */

static bool is_before(const struct item *a, const struct item *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->number < b->number;
}

static void swap(struct alarms *alarms, size_t a, size_t b)
{
    struct item *item = alarms->heap[a];

    alarms->heap[a] = alarms->heap[b];
    alarms->heap[b] = item;
}

static void sift_up(struct alarms *alarms, size_t at)
{
    while (at > 0 && is_before(alarms->heap[at], alarms->heap[(at - 1) / 2])) {
        swap(alarms, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static void sift_down(struct alarms *alarms, size_t at)
{
    for (;;) {
        size_t first = at, child = 2 * at + 1;
        for (size_t i = child; i < child + 2 && i < alarms->n; i++) {
            if (is_before(alarms->heap[i], alarms->heap[first]))
                first = i;
        }
        if (first == at)
            return;
        swap(alarms, at, first);
        at = first;
    }
}

static struct item *remove_at(struct alarms *alarms, size_t at)
{
    struct item *item = alarms->heap[at];

    alarms->n--;
    if (at < alarms->n) {
        alarms->heap[at] = alarms->heap[alarms->n];
        sift_up(alarms, at);
        sift_down(alarms, at);
    }
    return item;
}

static enum antiphon_status push(struct alarms *alarms, struct item *item)
{
    if (alarms->n == alarms->cap) {
        size_t cap = alarms->cap ? alarms->cap * 2 : 16;
        struct item **grown = realloc(alarms->heap, cap * sizeof(struct item *));
        if (!grown)
            return ANTIPHON_ENOMEM;
        alarms->heap = grown;
        alarms->cap = cap;
    }
    alarms->heap[alarms->n++] = item;
    sift_up(alarms, alarms->n - 1);
    return ANTIPHON_OK;
}

/* ---- the thread ------------------------------------------------------------------------------------------ */

static void run_item(struct pool_job *job, bool dropped)
{
    struct item *item = (struct item *)job;

    if (!dropped)
        item->fn(item->ctx);
    free(item);
}

/* With the lock. */
static void fire(struct alarms *alarms, struct item *item, uint64_t now)
{
    if (!pool_submit(alarms->pool, &item->job))
        return;
    item->due_ms = now + FULL_MS;
    if (push(alarms, item))
        free(item); /* cannot be: it has just left its place */
}

static void *run(void *arg)
{
    struct alarms *alarms = arg;

    pthread_mutex_lock(&alarms->lock);
    while (!alarms->stopping) {
        uint64_t now = clock_now_ms();
        if (alarms->n == 0) {
            pthread_cond_wait(&alarms->changed, &alarms->lock);
        } else if (alarms->heap[0]->due_ms <= now) {
            fire(alarms, remove_at(alarms, 0), now);
        } else {
            uint64_t due = alarms->heap[0]->due_ms;
            struct timespec until = {(time_t)(due / 1000), (long)(due % 1000) * 1000000};
            (void)pthread_cond_timedwait(&alarms->changed, &alarms->lock, &until);
        }
    }
    pthread_mutex_unlock(&alarms->lock);
    return NULL;
}

static void destroy(struct alarms *alarms)
{
    for (size_t i = 0; i < alarms->n; i++)
        free(alarms->heap[i]);
    free(alarms->heap);
    pthread_cond_destroy(&alarms->changed);
    pthread_mutex_destroy(&alarms->lock);
    free(alarms);
}

enum antiphon_status alarms_new(struct pool *pool, struct alarms **alarms)
{
    struct alarms *made = calloc(1, sizeof(*made));
    pthread_condattr_t attr;
    sigset_t all, before;

    if (!made)
        return ANTIPHON_ENOMEM;
    made->pool = pool;
    pthread_mutex_init(&made->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&made->changed, &attr);
    pthread_condattr_destroy(&attr);
    thread_blocked(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&made->thread, NULL, run, made);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code) {
        destroy(made);
        return ANTIPHON_ENOMEM;
    }
    pthread_setname_np(made->thread, "alarms");
    *alarms = made;
    return ANTIPHON_OK;
}

void alarms_free(struct alarms *alarms)
{
    if (!alarms)
        return;
    pthread_mutex_lock(&alarms->lock);
    alarms->stopping = true;
    pthread_cond_signal(&alarms->changed);
    pthread_mutex_unlock(&alarms->lock);
    pthread_join(alarms->thread, NULL);
    destroy(alarms);
}

/* ---- from outside ------------------------------------------------------------------------------------------ */

static size_t count_of(const struct alarms *alarms, const char *owner)
{
    size_t n = 0;

    for (size_t i = 0; i < alarms->n; i++)
        n += strcmp(alarms->heap[i]->owner, owner) == 0;
    return n;
}

enum antiphon_status alarm_start(struct alarms *alarms, const char *owner, uint64_t delay_ms, alarm_fn *fn, void *ctx,
                                 uint64_t *number)
{
    size_t size = strlen(owner) + 1;
    struct item *item = malloc(sizeof(*item) + size);
    uint64_t now = clock_now_ms(), made;
    enum antiphon_status status = ANTIPHON_OK;

    if (!item)
        return ANTIPHON_ENOMEM;
    *item = (struct item){.job = {.run = run_item}, .fn = fn, .ctx = ctx};
    memcpy(item->owner, owner, size);
    item->due_ms = delay_ms > UINT64_MAX / 2 - now ? UINT64_MAX / 2 : now + delay_ms;
    pthread_mutex_lock(&alarms->lock);
    made = item->number = ++alarms->last;
    if (alarms->n == ALARM_MAX || count_of(alarms, owner) >= ALARM_MAX_PER_OWNER)
        status = ANTIPHON_EBUSY;
    else
        status = push(alarms, item);
    if (!status) {
        *number = made; /* before it can fire: whoever runs may look at it */
        pthread_cond_signal(&alarms->changed);
    }
    pthread_mutex_unlock(&alarms->lock);
    if (status)
        free(item);
    return status;
}

bool alarm_cancel(struct alarms *alarms, const char *owner, uint64_t number)
{
    struct item *found = NULL;

    pthread_mutex_lock(&alarms->lock);
    for (size_t i = 0; !found && i < alarms->n; i++) {
        if (alarms->heap[i]->number == number && strcmp(alarms->heap[i]->owner, owner) == 0)
            found = remove_at(alarms, i);
    }
    pthread_mutex_unlock(&alarms->lock);
    free(found);
    return found != NULL;
}
