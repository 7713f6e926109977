/* session_tool_hooks - tool calls on their way past the hooks: the arguments before a tool runs, and what it has to say
 * afterwards. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "session/session_private.h"
#include "base/banned.h"

#define MAX_WHY_BYTES (64u * 1024)

/* ---- before ------------------------------------------------------------------------------------------------ */

static void fail(struct session *session, struct tool_run *run, enum antiphon_status status, const char *reason,
                 const char *text, size_t len)
{
    struct buf why;

    buf_init(&why, MAX_WHY_BYTES);
    buf_append(&why, text, len < MAX_WHY_BYTES ? len : MAX_WHY_BYTES);
    session_fail_tool(session, run, status, reason, &why);
    buf_deinit(&why);
}

/* The new arguments are as good as the model's: checked, and nothing of the old ones is left. */
static void replace_args(struct session *session, struct tool_run *run, const char *text, size_t len)
{
    struct buf args, why;

    buf_init(&args, TOOL_RUN_MAX_RESULT_BYTES);
    buf_init(&why, MAX_WHY_BYTES);
    if (tool_args_check(run->tool, text, len, &args, &why)) {
        log_warn("hook", "session=%s tool=%s a hook gave arguments that are not valid", session->id, run->name);
        session_fail_tool(session, run, ANTIPHON_EINVAL, "arguments", &why);
    } else {
        free(run->ready);
        run->ready = buf_take(&args);
        session_show_args(run, run->ready);
        session_allow_tool(session, run);
    }
    buf_deinit(&args);
    buf_deinit(&why);
}

static void on_checked_before(struct session *session, uint64_t number, enum antiphon_verdict verdict,
                              const char *text, size_t len)
{
    struct tool_run *run = tool_runs_find(&session->tools, number);

    if (!run || run->state != TOOL_REQUESTED)
        return; /* taken back meanwhile */
    switch (verdict) {
    case ANTIPHON_PASS:
        session_allow_tool(session, run);
        break;
    case ANTIPHON_REWRITE:
        replace_args(session, run, text, len);
        break;
    case ANTIPHON_REFUSE:
        log_info("hook", "session=%s tool=%s call=%s was refused", session->id, run->name, run->id);
        fail(session, run, ANTIPHON_EDENIED, "refused", text, len);
        break;
    case ANTIPHON_ANSWER:
        (void)tool_run_finish(run, ANTIPHON_OK, text, len);
        run->reason = "answered_by_hook";
        session_tool_ended(session, run);
        break;
    }
    session_answer_tools(session);
}

void session_tool_checked(struct session *session, struct tool_run *run)
{
    const struct session_question question = {.point = ANTIPHON_HOOK_BEFORE_TOOL,
                                              .text = run->ready,
                                              .len = strlen(run->ready),
                                              .tool = run->name,
                                              .call_id = run->id,
                                              .done = on_checked_before,
                                              .cookie = run->number};

    if (session_hooked(session, ANTIPHON_HOOK_BEFORE_TOOL))
        session_check(session, &question);
    else
        session_allow_tool(session, run);
}

/* ---- afterwards ------------------------------------------------------------------------------------------- */

static void ended(struct session *session, struct tool_run *run)
{
    if (!session_pending_ended(session, run))
        session_tool_ended(session, run);
}

static void end(struct session *session, struct tool_run *run, enum antiphon_status status, const char *text,
                size_t len)
{
    (void)tool_run_finish(run, status, text, len);
    run->reason = run->state == TOOL_FAILED ? "error" : NULL;
    if (run->state == TOOL_FAILED && !status) /* its response is our own sentence */
        log_warn("tool", "session=%s plugin=%s tool=%s call=%s its result was refused: %s", session->id,
                 run->tool->plugin, run->name, run->id, run->response);
    ended(session, run);
}

static void on_checked_after(struct session *session, uint64_t number, enum antiphon_verdict verdict,
                             const char *text, size_t len)
{
    struct tool_run *run = tool_runs_find(&session->tools, number);
    enum antiphon_status status;
    char *told;

    if (!run || !run->looked_at)
        run = session_pending_find(session, number);
    if (!run || run->state != TOOL_RUNNING || !run->looked_at)
        return; /* taken back meanwhile */
    run->looked_at = false;
    status = run->result_status;
    told = run->result;
    run->result = NULL;
    if (verdict == ANTIPHON_REFUSE) {
        log_info("hook", "session=%s tool=%s call=%s its result was refused", session->id, run->name, run->id);
        (void)tool_run_finish(run, ANTIPHON_EDENIED, text, len);
        run->reason = "refused";
        ended(session, run);
    } else if (verdict == ANTIPHON_REWRITE && status == ANTIPHON_OK) {
        end(session, run, ANTIPHON_OK, text, len);
    } else if (verdict == ANTIPHON_REWRITE) {
        (void)tool_run_finish(run, status, told, told ? strlen(told) : 0);
        tool_run_replace(run, text, len);
        run->reason = "error";
        ended(session, run);
    } else {
        end(session, run, status, told, told ? strlen(told) : 0);
    }
    free(told);
    session_answer_tools(session);
}

/* What the model would be told. */
static char *response_of(enum antiphon_status status, const char *text, size_t len)
{
    struct tool_run run = {.state = TOOL_RUNNING};

    (void)tool_run_finish(&run, status, text, len);
    return run.response;
}

void session_tool_result(struct session *session, struct tool_run *run, enum antiphon_status status, const char *text,
                         size_t len)
{
    char *response = session_hooked(session, ANTIPHON_HOOK_AFTER_TOOL) ? response_of(status, text, len) : NULL;

    if (!response) {
        end(session, run, status, text, len);
        return;
    }
    run->looked_at = true;
    run->deadline_ms = 0; /* it was in time */
    run->result_status = status;
    run->result = strndup(text, len);
    const struct session_question question = {.point = ANTIPHON_HOOK_AFTER_TOOL,
                                              .text = response,
                                              .len = strlen(response),
                                              .tool = run->name,
                                              .call_id = run->id,
                                              .args = run->ready ? run->ready : "{}",
                                              .done = on_checked_after,
                                              .cookie = run->number};
    session_check(session, &question);
    free(response);
}
