/* session_tools - tool calls of the model: checked, run in the pool, answered. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "session/session_private.h"
#include "session/tool_job.h"
#include "base/banned.h"

#define DEFAULT_TIMEOUT_MS 30000u
/* Below what the queue to the model takes at once, with room for its envelope: results that are too long for it become
 * errors that the model can read, instead of a message that is refused. */
#define MAX_ANSWER_BYTES (240u * 1024)

static void on_tool_result(struct session *session, struct session_message *message);

static void tell_tool(struct session *session, const struct tool_run *run, const char *state, const char *text,
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

static const struct registry_tool *allowed(struct session *session, const char *name)
{
    for (size_t i = 0; i < session->agent->tools_n; i++) {
        if (strcmp(session->agent->tools[i].name, name) == 0) {
            const struct registry_tool *tool = registry_tool(session->runtime->registry, name);
            return tool && tool->tool.invoke && !session_is_native(session, &tool->tool) ? tool : NULL;
        }
    }
    return NULL;
}

static void finish_text(struct tool_run *run, enum antiphon_status status, const struct buf *why)
{
    (void)tool_run_finish(run, status, buf_text(why), why->len);
}

static void refuse_unknown(struct session *session, struct tool_run *run)
{
    const char *names[AGENT_MAX_TOOLS];
    struct buf why;
    size_t n = 0;

    for (size_t i = 0; i < session->agent->tools_n; i++) {
        if (allowed(session, session->agent->tools[i].name))
            names[n++] = session->agent->tools[i].name;
    }
    buf_init(&why, 64u * 1024);
    tool_unknown_text(run->name, names, n, &why);
    finish_text(run, ANTIPHON_ENOTFOUND, &why);
    buf_deinit(&why);
}

static uint32_t timeout_of(const struct session *session, const struct registry_tool *tool)
{
    if (tool->tool.timeout_ms)
        return tool->tool.timeout_ms;
    if (session->agent->live.tool_timeout_ms)
        return session->agent->live.tool_timeout_ms;
    return session->runtime->config->deadlines.tool ? session->runtime->config->deadlines.tool
                                                    : DEFAULT_TIMEOUT_MS;
}

static void start(struct session *session, struct tool_run *run, const struct registry_tool *tool,
                  const struct buf *args)
{
    struct tool_job_options options = {.tool = tool,
                                       .call_id = run->id,
                                       .app = session->agent->live.app_name,
                                       .session_id = session->id,
                                       .user_id = session->user,
                                       .agent = session->agent->name,
                                       .args = args->len ? args->data : "{}",
                                       .args_len = args->len ? args->len : 2,
                                       .shard = shard_index(session->shard),
                                       .session = session->handle,
                                       .number = run->number};
    static const char busy[] = "the server is busy; call the tool again in a moment";
    struct tool_job *job = NULL;

    options.deadline_ms = clock_now_ms() + timeout_of(session, tool);
    if (tool_job_start(session->runtime, &options, on_tool_result, &job)) {
        (void)tool_run_finish(run, ANTIPHON_EBUSY, busy, sizeof(busy) - 1);
        return;
    }
    tool_run_start(run, job, options.deadline_ms);
    tell_tool(session, run, "running", NULL, 0);
}

static void begin(struct session *session, struct tool_run *run)
{
    const struct registry_tool *tool = allowed(session, run->name);
    struct buf args, why;

    buf_init(&args, TOOL_RUN_MAX_RESULT_BYTES);
    buf_init(&why, 64u * 1024);
    if (!tool)
        refuse_unknown(session, run);
    else if (tool_args_check(tool, run->args, strlen(run->args), &args, &why))
        finish_text(run, ANTIPHON_EINVAL, &why);
    else
        start(session, run, tool, &args);
    buf_deinit(&args);
    buf_deinit(&why);
}

static void on_tools_timer(void *ctx)
{
    struct session *session = ctx;
    static const char late[] = "the tool did not finish in time";
    uint64_t now = clock_now_ms();

    for (size_t i = 0; i < session->tools.n; i++) {
        struct tool_run *run = &session->tools.run[i];
        if (run->state != TOOL_RUNNING || !run->deadline_ms || run->deadline_ms > now)
            continue;
        log_warn("tool", "session=%s tool=%s call=%s ran past its deadline", session->id, run->name, run->id);
        tool_job_cancel(run->job);
        run->job = NULL;
        (void)tool_run_finish(run, ANTIPHON_ETIMEOUT, late, sizeof(late) - 1);
    }
    session_answer_tools(session);
}

static void arm(struct session *session)
{
    uint64_t due = tool_runs_deadline(&session->tools), now = clock_now_ms();

    timer_stop(session->shard, &session->tools_timer);
    if (due)
        timer_start(session->shard, &session->tools_timer, due > now ? due - now : 0, on_tools_timer, session);
}

static void over(void *ctx, const struct tool_run *run)
{
    struct session *session = ctx;

    if (run->state == TOOL_FAILED)
        metrics_add(METRIC_tool_failures, 1);
    if (run->state == TOOL_CANCELLED) {
        tell_tool(session, run, "cancelled", NULL, 0);
        return;
    }
    session_record_response(session, run);
    tell_tool(session, run, run->state == TOOL_DONE ? "done" : "failed", NULL, 0);
}

/* Hands the results of one batch over; "" if all of its calls were cancelled. */
static enum antiphon_status send_results(struct session *session, const struct buf *results)
{
    struct antiphon_event event = EVENT_INIT(ANTIPHON_EV_TOOL_RESULTS);
    enum antiphon_status status = buf_status(results);

    if (status || results->len == 0)
        return status;
    event.data = results->data;
    event.len = results->len;
    session->in_model++;
    status = session->model->model.send(session->conn, &event);
    session->in_model--;
    if (!status)
        session_turn(session, TURN_IN_TOOLS_ANSWERED);
    return status;
}

void session_answer_tools(struct session *session)
{
    enum antiphon_status status = ANTIPHON_OK;
    struct buf results;

    arm(session);
    if (!segment_live(&session->segment) || !session->conn)
        return; /* after the reconnection */
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

void session_on_tool_call(struct session *session, const struct antiphon_event *event)
{
    struct tool_run *run = NULL;
    enum antiphon_status status;

    if (turn_step(&session->turn, TURN_IN_TOOL_CALL) & TURN_DROP)
        return;
    timer_stop(session->shard, &session->first_byte_timer);
    session->said.any = true;
    session_record_input(session);
    session_record_output(session, false);
    status = tool_runs_add(&session->tools, event, &run);
    if (status) {
        log_warn("tool", "session=%s tool=%s call not taken: %s", session->id, event->name ? event->name : "",
                 status == ANTIPHON_EEXISTS ? "the same id is open" : status_name(status));
    } else {
        session_record_call(session, run);
        begin(session, run);
        session_record_flush(session);
    }
    if (event->index + 1 >= event->count)
        session_answer_tools(session);
}

static void cancel(struct tool_run *run)
{
    if (!tool_run_cancel(run))
        return;
    if (run->job)
        tool_job_cancel(run->job);
    run->job = NULL;
}

void session_on_tool_cancel(struct session *session, const char *id)
{
    struct tool_run *run = id ? tool_runs_find_id(&session->tools, id) : NULL;

    if (!run)
        return;
    cancel(run);
    session_answer_tools(session);
}

/* All of them, without an answer. */
void session_cancel_tools(struct session *session)
{
    struct buf none;

    if (session->tools.n == 0)
        return;
    buf_init(&none, MAX_ANSWER_BYTES);
    for (size_t i = 0; i < session->tools.n; i++)
        cancel(&session->tools.run[i]);
    session->tools.due = 0; /* calls of a half-announced batch will not come any more */
    while (tool_runs_take_batch(&session->tools, &none, over, session))
        continue;
    buf_deinit(&none);
    timer_stop(session->shard, &session->tools_timer);
}

static void on_tool_result(struct session *session, struct session_message *message)
{
    struct tool_result *result = (struct tool_result *)message;
    struct tool_run *run = tool_runs_find(&session->tools, result->number);

    if (!run || run->state != TOOL_RUNNING) {
        metrics_add(METRIC_tool_results_dropped, !result->progress);
        return;
    }
    if (result->progress) {
        tell_tool(session, run, "progress", result->text, result->len);
        return;
    }
    tool_job_release(run->job);
    run->job = NULL;
    (void)tool_run_finish(run, result->status, result->text, result->len);
    session_answer_tools(session);
}
