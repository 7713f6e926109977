/* session_tool_cancel - tool calls that end before their time: the model takes them back, the user interrupts or stops. What the
 * model did not take back itself it is told of. */
#include "base/clock.h"
#include "base/log.h"
#include "session/session_private.h"
#include "session/tool_job.h"
#include "base/banned.h"

/* After an interruption: which calls the model takes back itself is known when its turn has ended, or never. */
#define HOLD_MS 300u

/* The model waits for an answer, and is told why there is no result. */
static void abort_run(struct session *session, struct tool_run *run, const char *reason, const char *text)
{
    if (!tool_run_abort(run, text))
        return;
    session_give_up_job(run);
    run->reason = reason;
    session_tool_ended(session, run);
}

void session_log_late(const struct session *session, const struct tool_run *run)
{
    if (!run->tool->apart)
        log_warn("tool", "session=%s plugin=%s tool=%s call=%s ran past its deadline", session->id, run->tool->plugin,
                 run->name, run->id);
}

static void undo(struct tool_run *run)
{
    tool_job_undo(run->undo);
    run->undo = NULL;
}

static void take_back(struct session *session, struct tool_run *run)
{
    bool aborted = run->state == TOOL_CANCELLED;

    if (tool_run_cancel(run))
        session_give_up_job(run);
    else
        undo(run);
    if (aborted)
        return; /* that was told and written down */
    run->reason = "taken_back";
    session_tool_ended(session, run);
}

void session_on_tool_cancel(struct session *session, const char *id)
{
    struct tool_run *run = id ? tool_runs_find_id(&session->tools, id) : NULL;
    struct tool_memory_call *call = id && !run ? tool_memory_find(&session->tool_memory, id) : NULL;

    if (run) {
        take_back(session, run);
        session_answer_tools(session);
    } else if (id && session_pending_cancel(session, id)) {
        session_answer_tools(session); /* its deadline */
    } else if (call && call->undo) {
        tool_job_undo(tool_memory_take_undo(call));
    }
}

/* Goes on although the user spoke: it says so, or nobody waits for it. */
static bool outlives_interruption(const struct session *session, const struct tool_run *run)
{
    uint32_t flags = run->tool->tool.flags;

    return (flags & (ANTIPHON_TOOL_KEEP_ON_INTERRUPT | ANTIPHON_TOOL_LONG_RUNNING)) ||
           ((flags & ANTIPHON_TOOL_NON_BLOCKING) && session->tools.apart);
}

static void on_hold_over(void *ctx)
{
    session_release_tools(ctx);
}

void session_interrupt_tools(struct session *session)
{
    static const char text[] = "The call was cancelled because the user interrupted. Call the tool again only if the user "
                               "still wants it.";
    bool any = false;

    for (size_t i = 0; i < session->tools.n; i++) {
        struct tool_run *run = &session->tools.run[i];
        /* REQUESTED: hooks are still looking at it. One that has ended keeps its result. */
        if ((run->state != TOOL_RUNNING && run->state != TOOL_REQUESTED) || run->looked_at ||
            outlives_interruption(session, run))
            continue;
        abort_run(session, run, "interrupted_by_user", text);
        any = true;
    }
    if (any)
        timer_start(session->shard, &session->hold_timer, HOLD_MS, on_hold_over, session);
    if (any)
        session_answer_tools(session);
}

void session_release_tools(struct session *session)
{
    timer_stop(session->shard, &session->hold_timer);
    if (session->tools.n > 0)
        session_answer_tools(session);
}

void session_stop_tool(struct session *session, struct tool_run *run)
{
    abort_run(session, run, "stop",
              "The user stopped the answer, and the call was cancelled. Do not call the tool again unless the user asks "
              "for it.");
}

void session_stop_tools(struct session *session)
{
    if (session->tools.n == 0)
        return;
    for (size_t i = 0; i < session->tools.n; i++)
        session_stop_tool(session, &session->tools.run[i]);
    session_answer_tools(session);
}
