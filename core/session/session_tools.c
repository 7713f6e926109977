/* session_tools - tool calls of the model. A call is
 *     taken -> checked -> allowed -> (confirmed) -> written down -> run -> ended -> answered
 * with one function a step, so that none of them depends on when the next one happens. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/step.h"
#include "session/session_private.h"
#include "session/tool_job.h"
#include "session/tool_secret.h"
#include "store/state.h"
#include "base/banned.h"

#define DEFAULT_TIMEOUT_MS 30000u
#define LONG_TIMEOUT_MS    3600000u
/* Below what the queue to the model takes at once, with room for its envelope: results that are too long for it become
 * errors that the model can read, instead of a message that is refused. */
#define MAX_ANSWER_BYTES (240u * 1024)
#define MAX_WHY_BYTES    (64u * 1024)

static void on_tool_result(struct session *session, struct session_message *message);

void session_tell_tool(struct session *session, const struct tool_run *run, const char *state, const char *text,
                       size_t len)
{
    struct antiphon_event event = EVENT_INIT(EVENT_TOOL);

    event.id = run->id;
    event.name = run->name;
    event.detail = state;
    event.data = text;
    event.len = len;
    session_tell(session, &event);
}

/* ---- ended ---- */

/* Its state and response are final, but for the model, which may still take it back. */
void session_tool_ended(struct session *session, struct tool_run *run)
{
    const char *state = tool_run_state_name(run->state);

    if (run->repeated || run->pended)
        return;
    if (run->state == TOOL_FAILED)
        metrics_add(METRIC_tool_failures, 1);
    session_record_tool(session, run, state);
    session_tell_tool(session, run, state, NULL, 0);
}

void session_fail_tool(struct session *session, struct tool_run *run, enum antiphon_status status, const char *reason,
                       const struct buf *why)
{
    run->reason = reason;
    (void)tool_run_finish(run, status, buf_text(why), why->len);
    session_tool_ended(session, run);
}

void session_take_delta(struct tool_run *run)
{
    char *delta = run->job ? tool_job_take_delta(run->job) : NULL;
    struct buf merged;

    if (delta && run->delta) { /* of its first half, before it was confirmed */
        buf_init(&merged, TOOL_STATE_MAX_BYTES);
        if (!state_merge(run->delta, strlen(run->delta), delta, strlen(delta), &merged)) {
            free(delta);
            delta = buf_take(&merged);
        }
        buf_deinit(&merged);
    }
    if (!delta)
        return;
    free(run->delta);
    run->delta = delta;
}

void session_give_up_job(struct tool_run *run)
{
    session_take_delta(run);
    if (run->job)
        tool_job_cancel(run->job);
    run->job = NULL;
    if (run->looked_at) { /* it had its effect already */
        tool_job_undo(run->undo);
        run->undo = NULL;
    }
}

/* ---- run ---- */

static uint32_t timeout_of(const struct session *session, const struct tool_run *run)
{
    if (run->policy->policy.deadline_ms)
        return run->policy->policy.deadline_ms;
    if (run->tool->tool.timeout_ms)
        return run->tool->tool.timeout_ms;
    if (run->tool->tool.flags & ANTIPHON_TOOL_LONG_RUNNING)
        return LONG_TIMEOUT_MS;
    if (session->agent->live.tool_timeout_ms)
        return session->agent->live.tool_timeout_ms;
    return session->runtime->config->deadlines.tool ? session->runtime->config->deadlines.tool
                                                    : DEFAULT_TIMEOUT_MS;
}

static void start_job(struct session *session, struct tool_run *run)
{
    const char *args = run->ready ? run->ready : "{}";
    struct tool_job_options options = {.tool = run->tool,
                                       .call_id = run->id,
                                       .app = session->agent->live.app_name,
                                       .session_id = session->id,
                                       .user_id = session->user,
                                       .agent = session->agent->name,
                                       .flags = run->confirmed ? ANTIPHON_CALL_CONFIRMED : 0,
                                       .args = args,
                                       .args_len = strlen(args),
                                       .deadline_ms = run->deadline_ms,
                                       .shard = shard_index(session->shard),
                                       .session = session->handle,
                                       .number = run->number,
                                       .row = run->row,
                                       .state = session->state};
    struct tool_job *job = NULL;
    struct buf why;

    run->ticket = 0;
    if (!tool_job_start(session->runtime, &options, on_tool_result, &job)) {
        run->job = job;
        session_tell_tool(session, run, "running", NULL, 0);
        session_pend_tool(session, run);
        return;
    }
    buf_init(&why, MAX_WHY_BYTES);
    buf_puts(&why, "the server is busy; call the tool again in a moment");
    session_fail_tool(session, run, ANTIPHON_EBUSY, "busy", &why);
    buf_deinit(&why);
}

/* What changes the world is on disk before it happens, so that a crash leaves a trace of it. */
void session_launch_tool(struct session *session, struct tool_run *run)
{
    tool_run_start(run, NULL, clock_now_ms() + timeout_of(session, run));
    session_record_tool(session, run, "running");
    if (!(run->tool->tool.flags & ANTIPHON_TOOL_READ_ONLY))
        run->ticket = session_record_launch(session);
    if (!run->ticket)
        start_job(session, run);
}

void session_tools_committed(struct session *session, uint64_t ticket)
{
    bool any = false;

    for (size_t i = 0; i < session->tools.n; i++) {
        struct tool_run *run = &session->tools.run[i];
        if (run->state != TOOL_RUNNING || run->job || !run->ticket || run->ticket > ticket)
            continue;
        start_job(session, run);
        any = true;
    }
    if (any)
        session_answer_tools(session);
}

/* ---- allowed ---- */

static unsigned count_open(const struct session *session, const struct tool_run *run)
{
    unsigned n = 0;

    for (size_t i = 0; i < session->tools.n; i++) {
        const struct tool_run *other = &session->tools.run[i];
        n += other != run && other->tool == run->tool && tool_run_open(other);
    }
    return n;
}

static enum antiphon_status take_quota(struct session *session, const struct tool_run *run, struct buf *why)
{
    const struct agent *agent = session->agent;

    if (!session->quotas)
        session->quotas = calloc(agent->tools_n, sizeof(*session->quotas));
    if (!session->quotas)
        return ANTIPHON_ENOMEM;
    return tool_quota_take(&session->quotas[run->policy - agent->tools], &run->policy->policy, run->name,
                           session->turn.id, count_open(session, run), clock_now_ms(), why);
}

static bool must_be_confirmed(const struct tool_run *run)
{
    const unsigned both = ANTIPHON_TOOL_NEEDS_CONFIRMATION | ANTIPHON_TOOL_READ_ONLY;

    if (run->policy->policy.confirm != AGENT_CONFIRM_AS_THE_TOOL)
        return run->policy->policy.confirm == AGENT_CONFIRM_ALWAYS;
    return (run->tool->tool.flags & both) == ANTIPHON_TOOL_NEEDS_CONFIRMATION;
}

/* Its arguments are valid, and no hook has anything against them. */
void session_allow_tool(struct session *session, struct tool_run *run)
{
    struct buf why;

    buf_init(&why, MAX_WHY_BYTES);
    if (take_quota(session, run, &why))
        session_fail_tool(session, run, ANTIPHON_EBUSY, "limit", &why);
    else if (must_be_confirmed(run))
        session_ask(session, run);
    else
        session_launch_tool(session, run);
    buf_deinit(&why);
}

/* ---- checked ---- */

static bool is_function(const struct session *session, const struct registry_tool *tool)
{
    return tool && tool->tool.invoke && !session_is_native(session, &tool->tool);
}

static void find_tool(const struct session *session, struct tool_run *run)
{
    const struct registry_tool *tool = toolset_find(session->toolset, run->name);

    if (!is_function(session, tool))
        return;
    run->tool = tool;
    run->policy = &session->agent->tools[toolset_entry(session->toolset, tool)];
}

static void unknown_text(struct session *session, const struct tool_run *run, struct buf *why)
{
    const char *names[TOOLSET_MAX];
    size_t n = 0;

    for (size_t i = 0; i < toolset_count(session->toolset); i++) {
        const struct registry_tool *tool = toolset_get(session->toolset, i);
        if (is_function(session, tool))
            names[n++] = tool->tool.name;
    }
    tool_unknown_text(run->name, names, n, why);
}

static void check(struct session *session, struct tool_run *run)
{
    struct buf args, why;

    buf_init(&args, TOOL_RUN_MAX_RESULT_BYTES);
    buf_init(&why, MAX_WHY_BYTES);
    if (!run->tool) {
        unknown_text(session, run, &why);
        session_fail_tool(session, run, ANTIPHON_ENOTFOUND, "unknown", &why);
    } else if (tool_args_check(run->tool, run->args, strlen(run->args), &args, &why)) {
        session_fail_tool(session, run, ANTIPHON_EINVAL, "arguments", &why);
    } else {
        run->ready = buf_take(&args);
        session_tool_checked(session, run);
    }
    buf_deinit(&args);
    buf_deinit(&why);
}

/* ---- taken ---- */

void session_show_args(struct tool_run *run, const char *args)
{
    struct buf shown;

    free(run->shown);
    run->shown = NULL;
    if (!run->tool || !tool_secret_any(run->tool->schema))
        return;
    buf_init(&shown, TOOL_RUN_MAX_RESULT_BYTES);
    if (tool_secret_hide_args(run->tool->schema, args, &shown) == ANTIPHON_OK)
        run->shown = buf_take(&shown);
    else
        run->shown = strdup("{}");
    buf_deinit(&shown);
}

static const char *scheduling_of(const struct session *session, const struct tool_run *run)
{
    if (!session->tools.apart || !run->tool || !(run->tool->tool.flags & ANTIPHON_TOOL_NON_BLOCKING))
        return NULL;
    return run->tool->tool.scheduling ? run->tool->tool.scheduling : "WHEN_IDLE";
}

/* A call that was over before: its answer again, should this connection not have had it; it never runs again. */
static bool answer_again(struct session *session, struct tool_run *run)
{
    static const char unknown[] = "This call was made before and is not run again; its result is no longer known.";
    struct tool_memory_call *call = run->local_id ? NULL : tool_memory_find(&session->tool_memory, run->id);

    if (!call)
        return false;
    run->repeated = true;
    if (call->connection == session->connection)
        (void)tool_run_cancel(run);
    else if (call->response)
        (void)tool_run_finish(run, ANTIPHON_OK, call->response, strlen(call->response));
    else
        (void)tool_run_finish(run, ANTIPHON_ECANCELLED, unknown, sizeof(unknown) - 1);
    log_info("tool", "session=%s tool=%s call=%s came again%s", session->id, run->name, run->id,
             call->connection == session->connection ? "" : " on another connection");
    call->connection = session->connection;
    return true;
}

static void take(struct session *session, struct tool_run *run, bool stopped)
{
    if (answer_again(session, run))
        return;
    id_uuid(run->row);
    find_tool(session, run);
    session_show_args(run, run->args);
    run->scheduling = scheduling_of(session, run);
    session_record_call(session, run);
    session_record_tool(session, run, "requested");
    if (stopped)
        session_stop_tool(session, run);
    else
        check(session, run);
    session_record_flush(session);
}

void session_on_tool_call(struct session *session, const struct antiphon_event *event)
{
    bool stopped = (turn_step(&session->turn, TURN_IN_TOOL_CALL) & TURN_DROP) != 0;
    struct tool_run *run = NULL;
    enum antiphon_status status;

    if (!stopped) {
        timer_stop(session->shard, &session->first_byte_timer);
        session->said.any = true;
        session_record_input(session);
        session_record_output(session, false);
    }
    session->tools.apart = session_answers_apart(session);
    status = tool_runs_add(&session->tools, event, &run);
    if (status)
        log_warn("tool", "session=%s tool=%s call not taken: %s", session->id, event->name ? event->name : "",
                 status == ANTIPHON_EEXISTS ? "the same id is open" : status_name(status));
    else
        take(session, run, stopped);
    if (session->tools.apart || event->index + 1 >= event->count)
        session_answer_tools(session);
}

/* ---- answered ---- */

static void late(struct session *session, struct tool_run *run)
{
    static const char read_only[] = "the tool did not finish in time";
    static const char other[] = "the tool did not finish in time and was told to stop; whether it has had an effect is "
                                "not known. Do not repeat the call without asking the user.";
    bool harmless = run->tool->tool.flags & ANTIPHON_TOOL_READ_ONLY;
    const char *text = harmless ? read_only : other;

    session_log_late(session, run);
    session_give_up_job(run);
    run->reason = "deadline";
    (void)tool_run_finish(run, ANTIPHON_ETIMEOUT, text, strlen(text));
    session_tool_ended(session, run);
}

static void on_tools_timer(void *ctx)
{
    struct session *session = ctx;
    uint64_t now = clock_now_ms();

    for (size_t i = 0; i < session->tools.n; i++) {
        struct tool_run *run = &session->tools.run[i];
        if (!run->deadline_ms || run->deadline_ms > now)
            continue;
        if (run->state == TOOL_RUNNING)
            late(session, run);
        else if (run->state == TOOL_ASKING)
            session_ask_expired(session, run);
    }
    session_pending_expire(session, now);
    session_answer_tools(session);
}

static void arm(struct session *session)
{
    uint64_t due = tool_runs_deadline(&session->tools), now = clock_now_ms();
    uint64_t pending = session_pending_deadline(session);

    if (pending && (!due || pending < due))
        due = pending;
    timer_stop(session->shard, &session->tools_timer);
    if (due)
        timer_start(session->shard, &session->tools_timer, due > now ? due - now : 0, on_tools_timer, session);
}

/* The answer is on its way, or nobody wants one. */
static void over(void *ctx, const struct tool_run *run)
{
    struct session *session = ctx;

    if (run->repeated)
        return;
    if (run->response)
        session_record_response(session, run);
    else if (run->delta)
        session_record_delta(session, run->delta);
    if (run->local_id)
        tool_job_forget(run->undo);
    else if (tool_memory_put(&session->tool_memory, run->id, run->response, session->connection, run->undo))
        log_warn("tool", "session=%s call=%s no memory to remember it", session->id, run->id);
}

/* Hands the results of one batch over; "" if the model has taken back all of its calls. */
static enum antiphon_status send_results(struct session *session, const struct buf *results)
{
    struct antiphon_event event = EVENT_INIT(ANTIPHON_EV_TOOL_RESULTS);
    enum antiphon_status status = buf_status(results);

    if (status || results->len == 0)
        return status;
    event.data = results->data;
    event.len = results->len;
    session->in_model++;
    step_mark(STEP_plugin_send);
    status = session->model->model.send(session->conn, &event);
    session->in_model--;
    /* A model that does not wait for its tools owes nothing for a result. */
    if (!status && (!session->tools.apart || session->turn.state != TURN_TOOL))
        session_turn(session, TURN_IN_TOOLS_ANSWERED);
    return status;
}

void session_answer_tools(struct session *session)
{
    enum antiphon_status status = ANTIPHON_OK;
    struct buf results;

    arm(session);
    if (!segment_live(&session->segment) || !session->conn || timer_active(&session->hold_timer))
        return; /* after the reconnection; after the interruption */
    buf_init(&results, MAX_ANSWER_BYTES);
    while (!status && tool_runs_take_batch(&session->tools, &results, over, session)) {
        status = send_results(session, &results);
        buf_reset(&results);
    }
    buf_deinit(&results);
    session_record_flush(session);
    if (!status)
        return;
    /* The model would wait for them for ever. A fresh connection is told of them by the history. */
    log_error("tool", "session=%s results cannot be handed to the model: %s", session->id, status_name(status));
    session_segment(session, SEGMENT_IN_CLOSED, (struct segment_facts){.may_restart = true});
}

static void confirm_wanted(struct session *session, struct tool_run *run, const struct tool_result *result)
{
    struct buf why;

    buf_init(&why, MAX_WHY_BYTES);
    if (run->confirmed) {
        buf_puts(&why, "the tool asks to be confirmed although it was");
        session_fail_tool(session, run, ANTIPHON_EPROTOCOL, "error", &why);
    } else if (run->policy->policy.confirm == AGENT_CONFIRM_NEVER) {
        tool_run_ask(run, 0);
        run->confirmed = true;
        session_launch_tool(session, run);
    } else {
        run->question = strndup(result->text, result->len);
        session_ask(session, run);
    }
    buf_deinit(&why);
}

static void tell_undone(struct session *session, const struct tool_result *result)
{
    struct antiphon_event event = EVENT_INIT(EVENT_TOOL);

    event.id = result->text;
    event.name = result->text + strlen(result->text) + 1;
    event.detail = "undone";
    session_tell(session, &event);
}

static void on_tool_result(struct session *session, struct session_message *message)
{
    struct tool_result *result = (struct tool_result *)message;
    struct tool_run *run = tool_runs_find(&session->tools, result->number);

    step_mark(STEP_tool_result);
    if (result->undone) {
        tell_undone(session, result);
        return;
    }
    if (!run && session_pending_result(session, result))
        return;
    if (!run || run->state != TOOL_RUNNING || !run->job) {
        metrics_add(METRIC_tool_results_dropped, !result->progress);
        return;
    }
    if (result->progress) {
        session_tell_tool(session, run, "progress", result->text, result->len);
        return;
    }
    session_take_delta(run);
    run->undo = tool_job_release(run->job);
    run->job = NULL;
    if (result->status == ANTIPHON_ECONFIRM) {
        confirm_wanted(session, run, result);
    } else {
        session_tool_result(session, run, result->status, result->text, result->len);
    }
    session_answer_tools(session);
}

/* ---- dropped ---- */

/* What is open ends without an answer, because nobody is there who waits for it. What is over was done: history has it. */
void session_drop_tools(struct session *session, const char *reason)
{
    struct buf none;

    timer_stop(session->shard, &session->hold_timer);
    if (session->tools.n == 0)
        return;
    buf_init(&none, TOOL_RUN_MAX_OPEN * (TOOL_RUN_MAX_RESULT_BYTES + 4096));
    for (size_t i = 0; i < session->tools.n; i++) {
        struct tool_run *run = &session->tools.run[i];
        if (!tool_run_open(run))
            continue;
        (void)tool_run_cancel(run);
        session_give_up_job(run);
        run->reason = reason;
        session_tool_ended(session, run);
    }
    session->tools.due = 0; /* calls of a half-announced batch will not come any more */
    while (tool_runs_take_batch(&session->tools, &none, over, session))
        buf_reset(&none);
    buf_deinit(&none);
    arm(session); /* for those that nobody waits for */
    session_record_flush(session);
}

static void forget_undo(void *undo_job)
{
    tool_job_forget(undo_job);
}

/* A fresh connection knows nothing of earlier calls: its ids are new. */
void session_forget_tools(struct session *session)
{
    session->tool_memory.forget = forget_undo;
    tool_memory_clear(&session->tool_memory);
}

void session_tools_deinit(struct session *session)
{
    session_drop_tools(session, "left");
    session_pending_drop(session, "left");
    timer_stop(session->shard, &session->tools_timer);
    tool_runs_deinit(&session->tools);
    session_forget_tools(session);
    for (size_t i = 0; session->quotas && i < session->agent->tools_n; i++)
        tool_quota_deinit(&session->quotas[i]);
    free(session->quotas);
}
