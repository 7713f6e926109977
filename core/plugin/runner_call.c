#include "plugin/runner_impl.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/banned.h"

#define QUARANTINE 256

struct runner_call {
    struct antiphon_call call; /* first: the plugin's view */
    struct pool_job job, cancel_job;
    struct runner *runner;     /* borrowed */
    struct runner_call *next;  /* under the runner's lock */
    const struct registry_tool *tool;
    uint64_t number;
    atomic_bool finished, cancelled, started;
    atomic_uint refs; /* the worker, the finish() that is due, a cancel() under way */
    char *texts;      /* owned: the texts of call */
};

/* The last calls that ended are kept a while, so that a second finish() is told instead of meeting freed memory. */
static struct {
    pthread_mutex_t lock;
    struct runner_call *call[QUARANTINE]; /* owned */
    unsigned at;
} quarantine = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void unref(struct runner_call *call)
{
    if (atomic_fetch_sub(&call->refs, 1) != 1)
        return;
    pthread_mutex_lock(&quarantine.lock);
    struct runner_call *oldest = quarantine.call[quarantine.at];
    quarantine.call[quarantine.at] = call;
    quarantine.at = (quarantine.at + 1) % QUARANTINE;
    pthread_mutex_unlock(&quarantine.lock);
    if (oldest)
        free(oldest->texts);
    free(oldest);
}

static void forget(struct runner *runner, const struct runner_call *call)
{
    struct runner_call **at = &runner->calls;

    pthread_mutex_lock(&runner->lock);
    while (*at && *at != call)
        at = &(*at)->next;
    if (*at)
        *at = call->next;
    pthread_mutex_unlock(&runner->lock);
}

/* Without a result the call must not be left: whoever waits for it would wait for its deadline. */
static void refuse(struct runner *runner, uint64_t number, enum antiphon_status status)
{
    const struct runner_message message = {
        .type = RUNNER_FINISH, .status = status, .number = number, .text = {runner_text(status_name(status))}};

    if (runner_send(runner, &message))
        _exit(RUNNER_EXIT_LOST);
}

void runner_finish(struct runner *runner, struct antiphon_call *call, enum antiphon_status status, const char *text,
                   size_t len)
{
    struct runner_call *own = (struct runner_call *)call;

    if (atomic_exchange(&own->finished, true)) {
        runner_complain(runner, "finished a call twice; the second result was ignored");
        return;
    }
    forget(runner, own);
    if (status > ANTIPHON_OK)
        status = ANTIPHON_EINTERNAL;
    const struct runner_message message = {
        .type = RUNNER_FINISH, .status = status, .number = own->number, .text = {{len ? text : "", len}}};
    enum antiphon_status sent = runner_send(runner, &message);
    if (sent)
        refuse(runner, own->number, sent);
    unref(own);
}

bool runner_cancelled(const struct antiphon_call *call)
{
    return atomic_load(&((struct runner_call *)(uintptr_t)call)->cancelled);
}

uint64_t runner_call_number(const struct antiphon_call *call)
{
    return ((const struct runner_call *)call)->number;
}

static void fail(struct runner_call *call, enum antiphon_status status, const char *why)
{
    runner_finish(call->runner, &call->call, status, why, strlen(why));
}

static void run_call(struct pool_job *job, bool dropped)
{
    struct runner_call *call = (struct runner_call *)((char *)job - offsetof(struct runner_call, job));
    const struct antiphon_tool *tool = &call->tool->tool;

    atomic_store(&call->started, true);
    if (dropped || atomic_load(&call->cancelled)) {
        fail(call, ANTIPHON_ECANCELLED, "nobody waits for it any more");
    } else {
        enum antiphon_status status = call->call.flags & ANTIPHON_CALL_UNDO
                                          ? tool->undo(call->tool->state, &call->call)
                                          : tool->invoke(call->tool->state, &call->call);
        if (status)
            fail(call, status, status_name(status));
    }
    unref(call);
}

static struct runner_call *call_new(struct runner *runner, const struct registry_tool *tool,
                                    const struct runner_message *message)
{
    struct runner_call *call = calloc(1, sizeof(*call));
    struct runner_text texts[7];

    if (!call)
        return NULL;
    call->texts = runner_copy_texts(message, 7, texts);
    if (!call->texts) {
        free(call);
        return NULL;
    }
    call->call = (struct antiphon_call){.struct_size = sizeof(call->call),
                                        .flags = message->flags,
                                        .tool = tool->tool.name,
                                        .call_id = texts[1].data,
                                        .app = texts[2].data,
                                        .user_id = texts[3].data,
                                        .session_id = texts[4].data,
                                        .agent = texts[5].data,
                                        .args = texts[6].data,
                                        .args_len = texts[6].len,
                                        .deadline_ms = message->value[0]};
    call->job.run = run_call;
    call->runner = runner;
    call->tool = tool;
    call->number = message->number;
    atomic_init(&call->refs, 2);
    return call;
}

void runner_on_call(struct runner *runner, const struct runner_message *message)
{
    const struct registry_tool *tool = registry_tool(runner->registry, message->text[0].data);
    bool can = tool && (message->flags & ANTIPHON_CALL_UNDO ? tool->tool.undo != NULL : tool->tool.invoke != NULL);
    struct runner_call *call = can ? call_new(runner, tool, message) : NULL;

    if (!call) {
        refuse(runner, message->number, can ? ANTIPHON_ENOMEM : ANTIPHON_ENOTFOUND);
        return;
    }
    pthread_mutex_lock(&runner->lock);
    call->next = runner->calls;
    runner->calls = call;
    pthread_mutex_unlock(&runner->lock);
    enum antiphon_status status = pool_submit(runner->calls_pool, &call->job);
    if (status) {
        fail(call, status, status_name(status));
        unref(call);
    }
}

static void run_cancel(struct pool_job *job, bool dropped)
{
    struct runner_call *call = (struct runner_call *)((char *)job - offsetof(struct runner_call, cancel_job));
    const struct antiphon_tool *tool = &call->tool->tool;

    if (!dropped && tool->cancel && atomic_load(&call->started) && !atomic_load(&call->finished))
        tool->cancel(call->tool->state, &call->call);
    unref(call);
}

void runner_on_cancel(struct runner *runner, const struct runner_message *message)
{
    pthread_mutex_lock(&runner->lock);
    struct runner_call *call = runner->calls;
    while (call && call->number != message->number)
        call = call->next;
    bool first = call && !atomic_exchange(&call->cancelled, true);
    if (first)
        atomic_fetch_add(&call->refs, 1);
    pthread_mutex_unlock(&runner->lock);
    if (!first)
        return;
    call->cancel_job.run = run_cancel;
    if (pool_submit(runner->events_pool, &call->cancel_job))
        unref(call);
}
