#include "session/tool_job.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/banned.h"

#define MAX_RESULT_BYTES (1024u * 1024)
#define TURNSTILES 64
#define QUARANTINE 1024

struct tool_job {
    struct antiphon_call call; /* first: the plugin's view */
    struct pool_job pool;
    struct runtime *runtime;   /* borrowed */
    const struct registry_tool *tool;
    tool_result_fn *on_result;
    unsigned shard;
    uint64_t session, number;
    atomic_bool finished, cancelled, running;
    atomic_uint refs;          /* the session, the worker until invoke() returned, the finish() that is due */
    char *texts;               /* owned: all texts of call */
};

/* Tools that never run twice at once queue here; two tools may share a turnstile, which only makes them wait longer. */
static struct turnstile {
    pthread_mutex_t mutex;
    pthread_cond_t free;
    bool busy;
} turnstiles[TURNSTILES];
static pthread_once_t turnstiles_once = PTHREAD_ONCE_INIT;

static void turnstiles_init(void)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    for (unsigned i = 0; i < TURNSTILES; i++) {
        pthread_mutex_init(&turnstiles[i].mutex, NULL);
        pthread_cond_init(&turnstiles[i].free, &attr);
    }
    pthread_condattr_destroy(&attr);
}

static struct turnstile *turnstile_of(const struct tool_job *job)
{
    if (!(job->tool->tool.flags & ANTIPHON_TOOL_EXCLUSIVE))
        return NULL;
    pthread_once(&turnstiles_once, turnstiles_init);
    return &turnstiles[((uintptr_t)job->tool >> 4) % TURNSTILES];
}

static bool turnstile_enter(struct turnstile *turnstile, uint64_t deadline_ms)
{
    struct timespec until = {(time_t)(deadline_ms / 1000), (long)(deadline_ms % 1000) * 1000000};
    bool entered;

    pthread_mutex_lock(&turnstile->mutex);
    while (turnstile->busy &&
           pthread_cond_timedwait(&turnstile->free, &turnstile->mutex, &until) != ETIMEDOUT)
        continue;
    entered = !turnstile->busy;
    turnstile->busy = true;
    pthread_mutex_unlock(&turnstile->mutex);
    return entered;
}

static void turnstile_leave(struct turnstile *turnstile)
{
    pthread_mutex_lock(&turnstile->mutex);
    turnstile->busy = false;
    pthread_cond_signal(&turnstile->free);
    pthread_mutex_unlock(&turnstile->mutex);
}

/* The last jobs that ended are kept a while: a plugin that finishes a call twice, late and from a thread of its own, then
 * meets a job that says so instead of freed memory. */
static struct {
    pthread_mutex_t mutex;
    struct tool_job *job[QUARANTINE]; /* owned */
    unsigned at;
} quarantine = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void job_unref(struct tool_job *job)
{
    struct tool_job *oldest;

    if (atomic_fetch_sub(&job->refs, 1) != 1)
        return;
    free(job->texts);
    job->texts = NULL;
    pthread_mutex_lock(&quarantine.mutex);
    oldest = quarantine.job[quarantine.at];
    quarantine.job[quarantine.at] = job;
    quarantine.at = (quarantine.at + 1) % QUARANTINE;
    pthread_mutex_unlock(&quarantine.mutex);
    free(oldest);
}

static void job_deliver(struct tool_job *job, bool progress, enum antiphon_status status,
                        const char *text, size_t len)
{
    struct tool_result *result = calloc(1, sizeof(*result) + len + 1);

    if (!result) {
        log_error("tool", "tool=%s out of memory for a result", job->call.tool);
        return; /* the call's deadline answers the model */
    }
    result->message.session = job->session;
    result->message.fn = job->on_result;
    result->number = job->number;
    result->progress = progress;
    result->status = status;
    result->len = len;
    if (len > 0)
        memcpy(result->text, text, len);
    sessions_post(job->runtime, job->shard, &result->message);
}

void tool_job_finish(struct antiphon_call *call, enum antiphon_status status, const char *text, size_t len)
{
    struct tool_job *job = (struct tool_job *)call;
    struct turnstile *turnstile = turnstile_of(job);

    if (atomic_exchange(&job->finished, true)) {
        log_error("tool", "plugin=%s tool=%s finished a call twice", job->tool->plugin, call->tool);
        return;
    }
    if (turnstile && atomic_load(&job->running))
        turnstile_leave(turnstile);
    if (atomic_load(&job->cancelled)) {
        metrics_add(METRIC_tool_results_dropped, 1);
    } else if (len > MAX_RESULT_BYTES) {
        static const char why[] = "the result is larger than 1 MiB";
        job_deliver(job, false, ANTIPHON_ETOOBIG, why, sizeof(why) - 1);
    } else {
        job_deliver(job, false, status, text ? text : "null", text ? len : 4);
    }
    job_unref(job);
}

bool tool_job_cancelled(const struct antiphon_call *call)
{
    const struct tool_job *job = (const struct tool_job *)call;

    return atomic_load(&((struct tool_job *)(uintptr_t)job)->cancelled);
}

void tool_job_progress(struct antiphon_call *call, const char *text, size_t len)
{
    struct tool_job *job = (struct tool_job *)call;

    if (atomic_load(&job->cancelled) || atomic_load(&job->finished))
        return;
    job_deliver(job, true, ANTIPHON_OK, text, len < TOOL_JOB_MAX_PROGRESS ? len : TOOL_JOB_MAX_PROGRESS);
}

static void job_fail(struct tool_job *job, enum antiphon_status status, const char *why)
{
    tool_job_finish(&job->call, status, why, strlen(why));
}

static void run_job(struct pool_job *pool, bool dropped)
{
    struct tool_job *job = (struct tool_job *)((char *)pool - offsetof(struct tool_job, pool));
    struct turnstile *turnstile = turnstile_of(job);
    enum antiphon_status status;

    if (dropped || atomic_load(&job->cancelled)) {
        job_fail(job, ANTIPHON_ECANCELLED, "the server is shutting down");
    } else if (turnstile && !turnstile_enter(turnstile, job->call.deadline_ms)) {
        job_fail(job, ANTIPHON_ETIMEOUT, "the tool was busy with another call until the deadline");
    } else {
        atomic_store(&job->running, true);
        status = job->tool->tool.invoke(job->tool->state, &job->call);
        if (status)
            job_fail(job, status, status_name(status));
    }
    job_unref(job);
}

static const char *copy_text(char **at, const char *text)
{
    size_t len = strlen(text) + 1;
    char *copy = memcpy(*at, text, len);

    *at += len;
    return copy;
}

enum antiphon_status tool_job_start(struct runtime *runtime, const struct tool_job_options *options,
                                    tool_result_fn *on_result, struct tool_job **job)
{
    struct tool_job *made = calloc(1, sizeof(*made));
    enum antiphon_status status;
    char *at;

    if (!made)
        return ANTIPHON_ENOMEM;
    at = made->texts = calloc(1, strlen(options->call_id) + strlen(options->app) + strlen(options->session_id) +
                                     strlen(options->user_id) + strlen(options->agent) +
                                     options->args_len + 6);
    if (!made->texts) {
        free(made);
        return ANTIPHON_ENOMEM;
    }
    made->call.struct_size = sizeof(made->call);
    made->call.tool = options->tool->tool.name;
    made->call.call_id = copy_text(&at, options->call_id);
    made->call.flags = options->flags;
    made->call.app = copy_text(&at, options->app);
    made->call.session_id = copy_text(&at, options->session_id);
    made->call.user_id = copy_text(&at, options->user_id);
    made->call.agent = copy_text(&at, options->agent);
    made->call.args = memcpy(at, options->args, options->args_len);
    made->call.args_len = options->args_len;
    made->call.deadline_ms = options->deadline_ms;
    made->pool.run = run_job;
    made->runtime = runtime;
    made->tool = options->tool;
    made->on_result = on_result;
    made->shard = options->shard;
    made->session = options->session;
    made->number = options->number;
    atomic_init(&made->refs, 3);
    status = pool_submit(runtime->pool, &made->pool);
    if (status) {
        free(made->texts);
        free(made);
        return status;
    }
    metrics_add(METRIC_tool_calls, 1);
    *job = made;
    return ANTIPHON_OK;
}

void tool_job_cancel(struct tool_job *job)
{
    const struct antiphon_tool *tool = &job->tool->tool;

    atomic_store(&job->cancelled, true);
    if (tool->cancel && atomic_load(&job->running) && !atomic_load(&job->finished))
        tool->cancel(job->tool->state, &job->call);
    job_unref(job);
}

void tool_job_release(struct tool_job *job)
{
    job_unref(job);
}
