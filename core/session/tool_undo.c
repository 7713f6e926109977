/* tool_undo - calls of undo(): made when a call that had its effect is not wanted any more, run in the pool without a
 * session, bounded by a deadline, their outcome in the journal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/utf8.h"
#include "session/tool_job_impl.h"
#include "base/banned.h"

#define MAX_REASON 256
#define UNDO_MS    30000u
#define OWNER      " undo" /* of the alarms; no plugin's name */

static struct tool_job *make_undo(struct tool_job *job)
{
    struct tool_job_options options = {.tool = job->tool,
                                       .call_id = job->call.call_id,
                                       .app = job->call.app,
                                       .session_id = job->call.session_id,
                                       .user_id = job->call.user_id,
                                       .agent = job->call.agent,
                                       .flags = ANTIPHON_CALL_UNDO,
                                       .args = job->receipt,
                                       .args_len = strlen(job->receipt),
                                       .shard = job->shard,
                                       .session = job->session,
                                       .number = job->number,
                                       .row = job->row};
    struct tool_job *undo = tool_job_new(job->runtime, &options, job->on_result);

    if (!undo) {
        log_error("tool", "session=%s tool=%s call=%s no memory to undo it", job->call.session_id, job->call.tool,
                  job->call.call_id);
        return NULL;
    }
    undo->undo = true;
    atomic_store(&undo->refs, 2); /* no session */
    return undo;
}

struct tool_job *tool_undo_take(struct tool_job *job)
{
    if (!atomic_load(&job->done) || job->status || !job->receipt || !job->tool->tool.undo || job->undo ||
        atomic_exchange(&job->undoing, true))
        return NULL;
    return make_undo(job);
}

static void not_undone(const struct tool_job *undo, const char *why)
{
    char reason[MAX_REASON];

    log_error("tool", "session=%s tool=%s call=%s could not be undone: %s", undo->call.session_id, undo->call.tool,
              undo->call.call_id, why);
    (void)snprintf(reason, sizeof(reason), "not undone: %s", why);
    reason[utf8_cut(reason, strlen(reason))] = '\0';
    tool_job_journal(undo, &(struct store_call){.reason = reason});
}

/* ---- its deadline ---- */

/* Those that run, so that an alarm finds what it was set for, or nothing. */
static struct {
    pthread_mutex_t mutex;
    struct tool_job *first; /* each with the reference of the finish() that is due */
    uint64_t last;
} running = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static struct tool_job *find_late(uint64_t number)
{
    pthread_mutex_lock(&running.mutex);
    struct tool_job *undo = running.first;
    while (undo && undo->undo_number != number)
        undo = undo->next;
    if (undo) {
        undo->late = true;
        atomic_fetch_add(&undo->refs, 1);
    }
    pthread_mutex_unlock(&running.mutex);
    return undo;
}

/* [pool] */
static void on_late(void *ctx)
{
    struct tool_job *undo = find_late((uint64_t)(uintptr_t)ctx);

    if (!undo)
        return;
    not_undone(undo, "it did not end in time");
    atomic_store(&undo->cancelled, true);
    if (undo->tool->tool.cancel && atomic_load(&undo->running) && !atomic_load(&undo->finished))
        undo->tool->tool.cancel(undo->tool->state, &undo->call);
    tool_job_unref(undo);
}

/* Between tool_jobs_enter() and tool_jobs_leave(): the alarms are there. */
static void watch(struct tool_job *undo)
{
    uint64_t now = clock_now_ms();

    pthread_mutex_lock(&running.mutex);
    undo->undo_number = ++running.last;
    undo->next = running.first;
    running.first = undo;
    pthread_mutex_unlock(&running.mutex);
    if (alarm_start(undo->runtime->alarms, OWNER, undo->call.deadline_ms > now ? undo->call.deadline_ms - now : 0,
                    on_late, (void *)(uintptr_t)undo->undo_number, &undo->alarm))
        log_warn("tool", "session=%s tool=%s call=%s nobody watches over its being undone", undo->call.session_id,
                 undo->call.tool, undo->call.call_id);
}

/* Whether it was late. alarms: they are there. */
static bool unwatch(struct tool_job *undo, bool alarms)
{
    struct tool_job **at = &running.first;

    pthread_mutex_lock(&running.mutex);
    while (*at && *at != undo)
        at = &(*at)->next;
    if (*at)
        *at = undo->next;
    bool late = undo->late;
    pthread_mutex_unlock(&running.mutex);
    if (alarms && undo->alarm)
        (void)alarm_cancel(undo->runtime->alarms, OWNER, undo->alarm);
    return late;
}

void tool_job_undo(struct tool_job *undo)
{
    enum antiphon_status status = ANTIPHON_EUNAVAILABLE;

    if (!undo)
        return;
    undo->call.deadline_ms =
        clock_now_ms() + (undo->tool->tool.timeout_ms ? undo->tool->tool.timeout_ms : UNDO_MS);
    log_info("tool", "session=%s tool=%s call=%s is being undone", undo->call.session_id, undo->call.tool,
             undo->call.call_id);
    if (tool_jobs_enter()) {
        watch(undo);
        status = tool_job_submit(undo);
        if (status)
            (void)unwatch(undo, true);
        tool_jobs_leave();
    }
    if (!status)
        return; /* it is the pool's now */
    not_undone(undo, status_name(status));
    tool_job_free(undo);
}

void tool_job_forget(struct tool_job *undo)
{
    tool_job_free(undo);
}

static void tell_undone(struct tool_job *undo)
{
    size_t id = strlen(undo->call.call_id) + 1, name = strlen(undo->call.tool) + 1;
    struct tool_result *result = calloc(1, sizeof(*result) + id + name);

    if (!result)
        return; /* the journal has it */
    result->undone = true;
    result->len = id + name - 1;
    memcpy(result->text, undo->call.call_id, id);
    memcpy(result->text + id, undo->call.tool, name);
    tool_job_send(undo, result);
}

void tool_undo_over(struct tool_job *undo, enum antiphon_status status, const char *text, size_t len)
{
    bool open = tool_jobs_enter(), late = unwatch(undo, open);
    char why[MAX_REASON];

    if (open)
        tool_jobs_leave();
    if (!status) {
        metrics_add(METRIC_tool_undone, 1);
        tool_job_journal(undo, &(struct store_call){.state = "undone"});
        tell_undone(undo);
        return;
    }
    if (late)
        return; /* that is put down already */
    (void)snprintf(why, sizeof(why), "%.*s", len < MAX_REASON ? (int)len : MAX_REASON, text ? text : "");
    not_undone(undo, why[0] ? why : status_name(status));
}
