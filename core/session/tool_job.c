#include "session/tool_job_impl.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/quarantine.h"
#include "base/thread.h"
#include "base/utf8.h"
#include "base/banned.h"

#define MAX_RESULT_BYTES (1024u * 1024)
#define TURNSTILES 64
#define QUARANTINE 1024

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
static void *ended[QUARANTINE]; /* owned: struct tool_job */
static struct quarantine quarantine = QUARANTINE_INIT(ended);

/* All that it has, but itself. */
static void job_clear(struct tool_job *job)
{
    if (!job->over)
        registry_release_tool(job->tool);
    job->over = true;
    free(job->texts);
    free(job->receipt);
    job->texts = job->receipt = NULL;
    buf_deinit(&job->delta);
    tool_state_unref(job->state);
    job->state = NULL;
}

void tool_job_free(struct tool_job *job)
{
    if (!job)
        return;
    job_clear(job);
    pthread_mutex_destroy(&job->mutex);
    free(job);
}

void tool_job_unref(struct tool_job *job)
{
    if (atomic_fetch_sub(&job->refs, 1) != 1)
        return;
    job_clear(job);
    tool_job_free(quarantine_swap(&quarantine, job));
}

/* ---- the journal, from any thread ---- */

static struct {
    pthread_mutex_t mutex;
    enum tool_jobs_phase phase;
} gate = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void tool_jobs_set_phase(enum tool_jobs_phase phase)
{
    pthread_mutex_lock(&gate.mutex);
    gate.phase = phase;
    pthread_mutex_unlock(&gate.mutex);
}

/* ---- how many run ---- */

static atomic_uint open_jobs; /* whose finish() is due */

unsigned tool_jobs_open(void)
{
    return atomic_load(&open_jobs);
}

enum antiphon_status tool_job_submit(struct tool_job *job)
{
    atomic_fetch_add(&open_jobs, 1);
    enum antiphon_status status = pool_submit(job->runtime->pool, &job->pool);
    if (status)
        atomic_fetch_sub(&open_jobs, 1);
    return status;
}

void tool_job_journal(const struct tool_job *job, const struct store_call *call)
{
    struct store_record record = {.kind = STORE_TOOL_CALL,
                                  .key = {job->call.app, job->call.user_id, job->call.session_id},
                                  .id = job->row,
                                  .timestamp = clock_wall(),
                                  .call = *call};
    enum antiphon_status status = ANTIPHON_EUNAVAILABLE;

    pthread_mutex_lock(&gate.mutex);
    if (gate.phase != TOOL_JOBS_CLOSED && job->row[0])
        status = store_append(job->runtime->store, &record, 1, NULL, NULL);
    pthread_mutex_unlock(&gate.mutex);
    if (status)
        log_warn("tool", "session=%s tool=%s call=%s its journal is not complete: %s", job->call.session_id,
                 job->call.tool, job->call.call_id, status_name(status));
}

void tool_job_send(struct tool_job *job, struct tool_result *result)
{
    result->message.session = job->session;
    result->message.fn = job->on_result;
    result->number = job->number;
    sessions_post(job->runtime, job->shard, &result->message);
}

bool tool_jobs_enter(void)
{
    pthread_mutex_lock(&gate.mutex);
    if (gate.phase == TOOL_JOBS_OPEN)
        return true;
    pthread_mutex_unlock(&gate.mutex);
    return false;
}

void tool_jobs_leave(void)
{
    pthread_mutex_unlock(&gate.mutex);
}

static void job_deliver(struct tool_job *job, bool progress, enum antiphon_status status,
                        const char *text, size_t len)
{
    struct tool_result *result = calloc(1, sizeof(*result) + len + 1);

    if (!result) {
        log_error("tool", "tool=%s out of memory for a result", job->call.tool);
        return; /* the call's deadline answers the model */
    }
    result->progress = progress;
    result->status = status;
    result->len = len;
    if (len > 0)
        memcpy(result->text, text, len);
    tool_job_send(job, result);
}

/* ---- making ---- */

static void run_job(struct pool_job *pool, bool dropped);

static const char *copy_text(char **at, const char *text)
{
    size_t len = strlen(text) + 1;
    char *copy = memcpy(*at, text, len);

    *at += len;
    return copy;
}

static bool copy_texts(struct tool_job *job, const struct tool_job_options *options)
{
    const char *row = options->row ? options->row : "";
    size_t size = strlen(options->call_id) + strlen(options->app) + strlen(options->session_id) +
                  strlen(options->user_id) + strlen(options->agent) + strlen(row) + options->args_len + 7;
    char *at = job->texts = calloc(1, size);

    if (!at)
        return false;
    job->call.call_id = copy_text(&at, options->call_id);
    job->call.app = copy_text(&at, options->app);
    job->call.session_id = copy_text(&at, options->session_id);
    job->call.user_id = copy_text(&at, options->user_id);
    job->call.agent = copy_text(&at, options->agent);
    job->row = copy_text(&at, row);
    job->call.args = memcpy(at, options->args, options->args_len);
    job->call.args_len = options->args_len;
    return true;
}

struct tool_job *tool_job_new(struct runtime *runtime, const struct tool_job_options *options,
                                tool_result_fn *on_result)
{
    struct tool_job *made = calloc(1, sizeof(*made));

    if (!made || !copy_texts(made, options)) {
        free(made);
        return NULL;
    }
    pthread_mutex_init(&made->mutex, NULL);
    made->call.struct_size = sizeof(made->call);
    made->call.tool = options->tool->tool.name;
    made->call.flags = options->flags;
    made->call.deadline_ms = options->deadline_ms;
    made->pool.run = run_job;
    made->runtime = runtime;
    made->tool = options->tool;
    registry_hold_again(made->tool);
    made->on_result = on_result;
    made->shard = options->shard;
    made->session = options->session;
    made->number = options->number;
    made->since_us = clock_now_us();
    buf_init(&made->delta, TOOL_STATE_MAX_BYTES);
    if (options->state)
        made->state = tool_state_ref(options->state);
    atomic_init(&made->refs, 3);
    return made;
}

/* ---- host functions ---- */

static void deliver_result(struct tool_job *job, enum antiphon_status status, const char *text, size_t len)
{
    static const char why[] = "the result is larger than 1 MiB";

    if (len > MAX_RESULT_BYTES)
        job_deliver(job, false, ANTIPHON_ETOOBIG, why, sizeof(why) - 1);
    else
        job_deliver(job, false, status, text ? text : "null", text ? len : 4);
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
    if (!job->undo)
        metrics_observe(HISTOGRAM_tool_call, clock_now_us() - job->since_us);
    pthread_mutex_lock(&job->mutex);
    job->status = status;
    pthread_mutex_unlock(&job->mutex);
    atomic_store(&job->done, true);
    if (job->undo) {
        tool_undo_over(job, status, text, len);
    } else if (atomic_load(&job->cancelled)) {
        metrics_add(METRIC_tool_results_dropped, 1);
        tool_job_undo(tool_undo_take(job));
    } else {
        deliver_result(job, status, text, len);
    }
    atomic_fetch_sub(&open_jobs, 1);
    tool_job_unref(job);
}

static enum antiphon_status keep_receipt(struct tool_job *job, const char *json, size_t len)
{
    char *copy = strndup(json, len);
    enum antiphon_status status = copy ? ANTIPHON_OK : ANTIPHON_ENOMEM;

    pthread_mutex_lock(&job->mutex);
    if (atomic_load(&job->finished))
        status = ANTIPHON_EINVAL;
    else if (atomic_load(&job->cancelled))
        status = ANTIPHON_ECANCELLED;
    if (!status) {
        free(job->receipt);
        job->receipt = copy;
        copy = NULL;
    }
    pthread_mutex_unlock(&job->mutex);
    free(copy);
    return status;
}

enum antiphon_status tool_job_receipt(struct antiphon_call *call, const char *json, size_t len)
{
    struct tool_job *job = (struct tool_job *)call;
    enum antiphon_status status;

    if (!job->tool->tool.undo || job->undo)
        return ANTIPHON_ENOTFOUND;
    status = keep_receipt(job, json, len);
    if (!status) {
        char *text = strndup(json, len);
        if (text)
            tool_job_journal(job, &(struct store_call){.receipt = text});
        free(text);
    }
    return status;
}

bool tool_job_cancelled(const struct antiphon_call *call)
{
    const struct tool_job *job = (const struct tool_job *)call;

    return atomic_load(&((struct tool_job *)(uintptr_t)job)->cancelled);
}

bool tool_job_may_show(const struct antiphon_call *call)
{
    struct tool_job *job = (struct tool_job *)(uintptr_t)call;
    uint64_t now = clock_now_ms();
    bool say = false;

    pthread_mutex_lock(&job->mutex);
    if (now >= job->shown_ms + 1000) {
        job->shown_ms = now;
        job->shown = 0;
    }
    bool may = job->shown < TOOL_JOB_MAX_SHOWN;
    if (may) {
        job->shown++;
    } else {
        say = !job->hidden;
        job->hidden = true;
    }
    pthread_mutex_unlock(&job->mutex);
    if (say && !job->tool->apart)
        log_warn("tool", "plugin=%s tool=%s call=%s shows more than %d things in a second; the others are left out",
                 job->tool->plugin, call->tool, call->call_id, TOOL_JOB_MAX_SHOWN);
    return may;
}

void tool_job_progress(struct antiphon_call *call, const char *text, size_t len)
{
    struct tool_job *job = (struct tool_job *)call;

    if (atomic_load(&job->cancelled) || atomic_load(&job->finished) || !tool_job_may_show(call))
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
        if (!job->tool->apart)
            thread_set_task(job->tool->plugin, job->undo ? "undo" : "call", job->call.tool);
        status = job->undo ? job->tool->tool.undo(job->tool->state, &job->call)
                           : job->tool->tool.invoke(job->tool->state, &job->call);
        thread_set_task(NULL, NULL, NULL);
        if (status)
            job_fail(job, status, status_name(status));
    }
    tool_job_unref(job);
}

enum antiphon_status tool_job_start(struct runtime *runtime, const struct tool_job_options *options,
                                    tool_result_fn *on_result, struct tool_job **job)
{
    struct tool_job *made = tool_job_new(runtime, options, on_result);
    enum antiphon_status status = made ? tool_job_submit(made) : ANTIPHON_ENOMEM;

    if (status) {
        tool_job_free(made);
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
    tool_job_undo(tool_undo_take(job)); /* it was too late */
    tool_job_unref(job);
}

struct tool_job *tool_job_release(struct tool_job *job)
{
    struct tool_job *undo = tool_undo_take(job);

    tool_job_unref(job);
    return undo;
}

/* ---- state and messages ---- */

char *tool_job_take_delta(struct tool_job *job)
{
    return job->state ? tool_state_take(job->state, &job->delta) : NULL;
}

enum antiphon_status tool_job_state_get(const struct antiphon_call *call, const char *key, char *json, size_t size,
                                        size_t *len)
{
    const struct tool_job *job = (const struct tool_job *)call;

    return job->state ? tool_state_get(job->state, key, json, size, len) : ANTIPHON_EUNAVAILABLE;
}

enum antiphon_status tool_job_state_set(struct antiphon_call *call, const char *key, const char *json, size_t len)
{
    struct tool_job *job = (struct tool_job *)call;

    if (!job->state)
        return ANTIPHON_EUNAVAILABLE;
    if (atomic_load(&job->cancelled) || atomic_load(&job->finished))
        return ANTIPHON_ECANCELLED;
    return tool_state_set(job->state, key, json, len, &job->delta);
}

void tool_job_post(const struct antiphon_call *call, struct session_message *message)
{
    struct tool_job *job = (struct tool_job *)(uintptr_t)call;

    if (atomic_load(&job->cancelled) || atomic_load(&job->finished)) {
        if (message->release)
            message->release(message);
        free(message);
        return;
    }
    message->session = job->session;
    sessions_post(job->runtime, job->shard, message);
}
