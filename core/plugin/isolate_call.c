#include "plugin/isolate_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/banned.h"

/* ---- the table; with the gen's lock ---- */

static struct isolate_work *find(struct isolate_gen *gen, uint64_t number)
{
    struct isolate_work *work = gen->work;

    while (work && work->number != number)
        work = work->next;
    return work;
}

static void unlink_work(struct isolate_gen *gen, const struct isolate_work *work)
{
    struct isolate_work **at = &gen->work;

    while (*at != work)
        at = &(*at)->next;
    *at = work->next;
    gen->n_work--;
}

static enum antiphon_status send_call(struct isolate_gen *gen, struct isolate_work *work)
{
    const struct antiphon_call *call = work->call;
    const struct runner_message message = {.type = RUNNER_CALL,
                                           .flags = call->flags,
                                           .number = work->number,
                                           .value = {call->deadline_ms},
                                           .text = {runner_text(call->tool),
                                                    runner_text(call->call_id),
                                                    runner_text(call->app),
                                                    runner_text(call->user_id),
                                                    runner_text(call->session_id),
                                                    runner_text(call->agent),
                                                    {call->args, call->args_len}}};

    return isolate_send(gen, &message);
}

static enum antiphon_status send_check(struct isolate_gen *gen, struct isolate_work *work)
{
    const struct antiphon_check *check = work->check;
    const struct runner_message message = {.type = RUNNER_CHECK,
                                           .flags = check->point,
                                           .number = work->number,
                                           .value = {check->deadline_ms},
                                           .text = {runner_text(work->hook->name),
                                                    runner_text(check->app),
                                                    runner_text(check->user_id),
                                                    runner_text(check->session_id),
                                                    runner_text(check->agent),
                                                    runner_text(check->tool),
                                                    runner_text(check->call_id),
                                                    {check->args, check->args ? check->args_len : 0},
                                                    {check->text, check->text_len}}};

    return isolate_send(gen, &message);
}

static enum antiphon_status send_work(struct isolate_gen *gen, struct isolate_work *work)
{
    work->sent = true;
    return work->call ? send_call(gen, work) : send_check(gen, work);
}

/* Puts it into the table and sends it, if there is a runner that can take it. */
static enum antiphon_status begin(struct isolate_gen *gen, const struct isolate_work *wanted, char *why, size_t size)
{
    struct isolate_work *work = NULL;
    enum antiphon_status status = ANTIPHON_OK;
    uint64_t now = clock_now_ms();

    pthread_mutex_lock(&gen->lock);
    if (gen->ended || gen->state == ISOLATE_BROKEN) {
        status = ANTIPHON_EUNAVAILABLE;
        (void)snprintf(why, size, "the plugin %s has ended", gen->name);
    } else if (gen->state == ISOLATE_BACKING_OFF && gen->retry_ms > now) {
        status = ANTIPHON_EUNAVAILABLE;
        (void)snprintf(why, size, "the plugin %s crashes again and again and will be started anew in %llu s; do not "
                       "try again before", gen->name, (unsigned long long)(gen->retry_ms - now + 999) / 1000);
    } else if (gen->n_work >= ISOLATE_MAX_CALLS) {
        status = ANTIPHON_EBUSY;
        (void)snprintf(why, size, "the plugin %s has too much to do", gen->name);
    } else if (!(work = calloc(1, sizeof(*work)))) {
        status = ANTIPHON_ENOMEM;
        (void)snprintf(why, size, "out of memory");
    } else {
        *work = *wanted;
        work->number = ++gen->last_number;
        work->next = gen->work;
        gen->work = work;
        gen->n_work++;
        if (gen->state == ISOLATE_OK)
            status = send_work(gen, work);
        if (status) {
            unlink_work(gen, work);
            free(work);
            if (status == ANTIPHON_ENOMEM)
                (void)snprintf(why, size, "out of memory");
            else
                (void)snprintf(why, size, "the plugin %s has too much to do", gen->name);
        }
    }
    bool wake = !status && gen->state == ISOLATE_IDLE;
    pthread_mutex_unlock(&gen->lock);
    if (wake)
        isolate_wake(gen->isolate); /* to start a process */
    return status;
}

/* ---- what stands in the registry; any thread ---- */

enum antiphon_status isolate_call_invoke(void *state, struct antiphon_call *call)
{
    struct isolate_gen *gen = state;
    const struct isolate_work work = {.call = call, .deadline_ms = call->deadline_ms};
    const struct antiphon_host *h = host_table(gen->host);
    char why[200];

    enum antiphon_status status = begin(gen, &work, why, sizeof(why));
    if (status)
        h->finish(h, call, status, why, strlen(why)); /* returned alone, the status would lack the reason */
    return ANTIPHON_OK;
}

void isolate_call_cancel(void *state, struct antiphon_call *call)
{
    struct isolate_gen *gen = state;
    struct runner_message message = {.type = RUNNER_CANCEL};

    pthread_mutex_lock(&gen->lock);
    struct isolate_work *work = gen->work;
    while (work && work->call != call)
        work = work->next;
    if (work && work->sent) {
        message.number = work->number;
        (void)isolate_send(gen, &message); /* a queue that is full means that it will be killed anyway */
    }
    pthread_mutex_unlock(&gen->lock);
}

/* A hook that a newer generation has as well stands in the registry with the state of the first. */
static struct isolate_gen *newest(struct isolate_gen *gen)
{
    struct isolate *isolate = gen->isolate;

    pthread_mutex_lock(&isolate->lock);
    struct isolate_gen *found = isolate->gens;
    while (found && !(found->registered && strcmp(found->name, gen->name) == 0))
        found = found->next;
    pthread_mutex_unlock(&isolate->lock);
    return found ? found : gen;
}

static enum antiphon_status check(void *state, size_t index, struct antiphon_check *check)
{
    struct isolate_gen *gen = newest(state);
    const struct isolate_work work = {
        .check = check, .hook = &gen->hooks[index].hook, .deadline_ms = check->deadline_ms};
    char why[200];

    return begin(gen, &work, why, sizeof(why));
}

/* A hook is not told which one it is, so each place has a function of its own. */
#define EIGHT(x, n) x(n##0) x(n##1) x(n##2) x(n##3) x(n##4) x(n##5) x(n##6) x(n##7)
#define ALL(x)      EIGHT(x, 0) EIGHT(x, 01) EIGHT(x, 02) EIGHT(x, 03) /* octal: 0 to 31 */
#define FUNCTION(n)                                                                                          \
    static enum antiphon_status run_##n(void *state, struct antiphon_check *asked)                           \
    {                                                                                                        \
        return check(state, n, asked);                                                                       \
    }
#define NAME(n) run_##n,
ALL(FUNCTION)
static enum antiphon_status (*const run[])(void *, struct antiphon_check *) = {ALL(NAME)};
_Static_assert(sizeof(run) / sizeof(run[0]) == HOST_MAX_HOOKS, "a function for each hook");

isolate_check_fn *isolate_call_hook(size_t index)
{
    return run[index];
}

/* ---- [plugins] ---- */

/* What the server asked for is no flood, however much it is. */
static void allow_messages(struct isolate_gen *gen)
{
    gen->messages -= gen->messages < ISOLATE_CALL_MESSAGES ? gen->messages : ISOLATE_CALL_MESSAGES;
}

static struct isolate_work *take(struct isolate_gen *gen, uint64_t number, bool call)
{
    pthread_mutex_lock(&gen->lock);
    struct isolate_work *work = find(gen, number);
    if (work && (work->call != NULL) != call)
        work = NULL;
    if (work)
        unlink_work(gen, work);
    pthread_mutex_unlock(&gen->lock);
    return work;
}

void isolate_call_on_finish(struct isolate_gen *gen, const struct runner_message *message)
{
    const struct antiphon_host *h = host_table(gen->host);
    struct isolate_work *work = take(gen, message->number, true);
    uint64_t now = clock_now_ms();

    if (!work)
        return;
    allow_messages(gen);
    if (work->deadline_ms < now)
        log_warn("plugin", "%s: call %s: ended %llu ms after its deadline", gen->name, work->call->tool,
                 (unsigned long long)(now - work->deadline_ms));
    h->finish(h, work->call, message->status, message->text[0].data, message->text[0].len);
    free(work);
}

void isolate_call_on_progress(struct isolate_gen *gen, const struct runner_message *message)
{
    const struct antiphon_host *h = host_table(gen->host);
    struct antiphon_call *call = isolate_call_find(gen, message->number);

    if (call)
        h->progress(h, call, message->text[0].data, message->text[0].len);
}

static void decide_failed(struct isolate_gen *gen, const struct isolate_work *work)
{
    static const char why[] = "the check of this could not be made";
    const struct antiphon_host *h = host_table(gen->host);

    if (work->hook->flags & ANTIPHON_HOOK_FAIL_CLOSED)
        h->decide(h, work->check, ANTIPHON_REFUSE, why, sizeof(why) - 1);
    else
        h->decide(h, work->check, ANTIPHON_PASS, "", 0);
}

void isolate_call_on_decide(struct isolate_gen *gen, const struct runner_message *message)
{
    const struct antiphon_host *h = host_table(gen->host);
    struct isolate_work *work = take(gen, message->number, false);

    if (!work)
        return;
    allow_messages(gen);
    if (message->status || message->flags > ANTIPHON_ANSWER)
        decide_failed(gen, work);
    else
        h->decide(h, work->check, (enum antiphon_verdict)message->flags, message->text[0].data, message->text[0].len);
    free(work);
}

struct antiphon_call *isolate_call_find(struct isolate_gen *gen, uint64_t number)
{
    pthread_mutex_lock(&gen->lock);
    const struct isolate_work *work = find(gen, number);
    struct antiphon_call *call = work ? work->call : NULL;
    pthread_mutex_unlock(&gen->lock);
    return call; /* only this thread ends calls */
}

void isolate_call_send_waiting(struct isolate_gen *gen)
{
    pthread_mutex_lock(&gen->lock);
    for (struct isolate_work *work = gen->work; work; work = work->next) {
        if (!work->sent && send_work(gen, work))
            work->deadline_ms = 0; /* answered when the runner is killed for it */
    }
    pthread_mutex_unlock(&gen->lock);
}

static void describe(const struct isolate_work *work, unsigned n, char *what, size_t size)
{
    if (n == 0)
        (void)snprintf(what, size, "idle");
    else if (n > 1)
        (void)snprintf(what, size, "%u calls", n);
    else if (work->call)
        (void)snprintf(what, size, "call %s", work->call->tool);
    else
        (void)snprintf(what, size, "hook %s", work->hook->name);
}

void isolate_call_fail_all(struct isolate_gen *gen, const char *why, char *what, size_t size)
{

    pthread_mutex_lock(&gen->lock);
    struct isolate_work *work = gen->work;
    if (what)
        describe(work, gen->n_work, what, size);
    gen->work = NULL;
    gen->n_work = 0;
    pthread_mutex_unlock(&gen->lock);
    while (work) {
        const struct antiphon_host *h = host_table(gen->host);
        struct isolate_work *next = work->next;
        if (work->call)
            h->finish(h, work->call, ANTIPHON_EINTERNAL, why, strlen(why));
        else
            decide_failed(gen, work);
        free(work);
        work = next;
    }
}
