/* session_pending - calls of tools that take longer than a conversation can wait. A model that waits for its tools is told at once
 * that the result is pending; when it is there, it is said like a notice, when nobody speaks. Such a call ends with the
 * conversation, at its deadline, or when the model takes it back; a stop of the answer does not concern it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "session/session_private.h"
#include "session/tool_job.h"
#include "base/banned.h"

#define MAX_TOLD_BYTES (32u * 1024) /* of a result; a longer one is only in the journal */

static const char pending_text[] =
    "{\"status\":\"pending\",\"message\":\"The tool is at work and this takes a while. Go on; its result will be told to you.\"}";

static void pending_clear(struct tool_run *pending)
{
    free(pending->id);
    free(pending->name);
    free(pending->args);
    free(pending->shown);
    free(pending->response);
    free(pending->ready);
    free(pending->delta);
    free(pending->result);
    *pending = (struct tool_run){0};
}

static struct tool_run *find_free(struct session *session)
{
    if (!session->pending)
        session->pending = calloc(SESSION_MAX_PENDING, sizeof(*session->pending));
    for (size_t i = 0; session->pending && i < SESSION_MAX_PENDING; i++) {
        if (!session->pending[i].id)
            return &session->pending[i];
    }
    return NULL;
}

void session_pend_tool(struct session *session, struct tool_run *run)
{
    struct tool_run *pending = session->tools.apart ? NULL : find_free(session);

    if (!pending || !(run->tool->tool.flags & ANTIPHON_TOOL_LONG_RUNNING))
        return; /* its batch waits for it */
    *pending = (struct tool_run){.number = run->number,
                                 .state = TOOL_RUNNING,
                                 .local_id = run->local_id,
                                 .tool = run->tool,
                                 .deadline_ms = run->deadline_ms,
                                 .id = strdup(run->id),
                                 .name = strdup(run->name),
                                 .args = strdup(run->args),
                                 .ready = run->ready ? strdup(run->ready) : NULL,
                                 .shown = run->shown ? strdup(run->shown) : NULL};
    if (!pending->id || !pending->name || !pending->args || (run->shown && !pending->shown)) {
        pending_clear(pending);
        return;
    }
    memcpy(pending->row, run->row, sizeof(pending->row));
    pending->job = run->job;
    run->job = NULL;
    run->pended = true;
    (void)tool_run_finish(run, ANTIPHON_OK, pending_text, sizeof(pending_text) - 1);
}

struct tool_run *session_pending_find(struct session *session, uint64_t number)
{
    for (size_t i = 0; session->pending && i < SESSION_MAX_PENDING; i++) {
        if (session->pending[i].id && session->pending[i].number == number)
            return &session->pending[i];
    }
    return NULL;
}

static void say(struct session *session, const struct tool_run *pending)
{
    struct buf text;

    buf_init(&text, MAX_TOLD_BYTES + 4096);
    buf_printf(&text, "The tool `%.128s` that was called before (id %.128s) has ended. Its result: ", pending->name,
               pending->id);
    if (strlen(pending->response) <= MAX_TOLD_BYTES)
        buf_puts(&text, pending->response);
    else
        buf_printf(&text, "it has %zu bytes and is too long to be told.", strlen(pending->response));
    if (buf_status(&text) || notices_add(&session->notices, pending->row, pending->name, buf_text(&text)))
        log_error("tool", "session=%s tool=%s call=%s its result cannot be told", session->id, pending->name,
                  pending->id);
    buf_deinit(&text);
}

/* Its state and response are final. */
static void end(struct session *session, struct tool_run *pending, bool tell_model)
{
    const char *state = tool_run_state_name(pending->state);

    if (pending->delta)
        session_record_delta(session, pending->delta);
    if (pending->state == TOOL_FAILED)
        metrics_add(METRIC_tool_failures, 1);
    session_record_tool(session, pending, state);
    session_tell_tool(session, pending, state, NULL, 0);
    if (tell_model)
        say(session, pending);
    pending_clear(pending);
    session_record_flush(session);
    session_notice_step(session);
}

bool session_pending_result(struct session *session, const struct tool_result *result)
{
    static const char unasked[] = "The tool asked for the owner's agreement too late; it did not run.";
    struct tool_run *pending = session_pending_find(session, result->number);
    struct tool_memory_call *call;
    struct tool_job *undo;

    if (!pending)
        return false;
    if (result->progress) {
        session_tell_tool(session, pending, "progress", result->text, result->len);
        return true;
    }
    session_take_delta(pending);
    undo = tool_job_release(pending->job);
    call = tool_memory_find(&session->tool_memory, pending->id);
    if (call && !call->undo)
        call->undo = undo;
    else
        tool_job_forget(undo);
    pending->job = NULL;
    if (result->status == ANTIPHON_ECONFIRM)
        session_tool_result(session, pending, ANTIPHON_EDENIED, unasked, sizeof(unasked) - 1);
    else
        session_tool_result(session, pending, result->status, result->text, result->len);
    return true;
}

bool session_pending_ended(struct session *session, struct tool_run *run)
{
    if (!session->pending || run < session->pending || run >= session->pending + SESSION_MAX_PENDING)
        return false;
    end(session, run, true);
    return true;
}

static void give_up(struct session *session, struct tool_run *pending, const char *reason)
{
    session_give_up_job(pending);
    (void)tool_run_cancel(pending);
    pending->reason = reason;
    end(session, pending, false);
}

bool session_pending_cancel(struct session *session, const char *id)
{
    for (size_t i = 0; session->pending && i < SESSION_MAX_PENDING; i++) {
        if (session->pending[i].id && strcmp(session->pending[i].id, id) == 0) {
            give_up(session, &session->pending[i], "taken_back");
            return true;
        }
    }
    return false;
}

uint64_t session_pending_deadline(const struct session *session)
{
    uint64_t earliest = 0;

    for (size_t i = 0; session->pending && i < SESSION_MAX_PENDING; i++) {
        uint64_t due = session->pending[i].id ? session->pending[i].deadline_ms : 0;
        if (due && (!earliest || due < earliest))
            earliest = due;
    }
    return earliest;
}

void session_pending_expire(struct session *session, uint64_t now)
{
    static const char text[] = "the tool did not finish in time";

    for (size_t i = 0; session->pending && i < SESSION_MAX_PENDING; i++) {
        struct tool_run *pending = &session->pending[i];
        if (!pending->id || !pending->deadline_ms || pending->deadline_ms > now)
            continue;
        session_log_late(session, pending);
        session_give_up_job(pending);
        pending->reason = "deadline";
        (void)tool_run_finish(pending, ANTIPHON_ETIMEOUT, text, sizeof(text) - 1);
        end(session, pending, true);
    }
}

void session_pending_drop(struct session *session, const char *reason)
{
    for (size_t i = 0; session->pending && i < SESSION_MAX_PENDING; i++) {
        if (session->pending[i].id)
            give_up(session, &session->pending[i], reason);
    }
    free(session->pending);
    session->pending = NULL;
}
