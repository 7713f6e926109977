/* session_recover - tool calls of an earlier process, when their session is loaded. What was answered is known by its id. What a kill
 * cut short gets a result now, which the model is told as part of the history: a tool that only reads runs again, of any other
 * it is said that its effect is not known. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "session/session_private.h"
#include "session/tool_job.h"
#include "session/tool_secret.h"
#include "base/banned.h"

#define AGAIN_MAX 8      /* calls; more are not run again */
#define AGAIN_MS  2000u  /* for all of them; the page waits for the history meanwhile */

struct session_again {
    char *id, *name;     /* owned; NULL once it has its result */
    char row[ID_UUID_SIZE];
    const struct registry_tool *tool;
    struct tool_job *job;
};

static void again_clear(struct session_again *again)
{
    free(again->id);
    free(again->name);
    *again = (struct session_again){0};
}

/* The result goes into history, events and journal. */
static void tell_result(struct session *session, const char *row, char *id, char *name, const struct registry_tool *tool,
                        enum antiphon_status status, const char *text, size_t len)
{
    struct tool_run run = {.state = TOOL_RUNNING, .id = id, .name = name, .tool = tool};

    (void)snprintf(run.row, sizeof(run.row), "%s", row);
    (void)tool_run_finish(&run, status, text, len);
    if (run.response) {
        session_record_response(session, &run);
        session_record_tool(session, &run, tool_run_state_name(run.state));
    }
    free(run.response);
}

static void tell_lost(struct session *session, const char *row, char *id, char *name, bool ran)
{
    static const char unknown[] = "The server went down while this call ran. Whether it has had an effect is not known; ask "
                                  "the user before you repeat it.";
    static const char never[] = "The server went down before this call ran. It has had no effect.";
    const char *text = ran ? unknown : never;

    tell_result(session, row, id, name, NULL, ANTIPHON_EUNAVAILABLE, text, strlen(text));
}

static void finish(struct session *session)
{
    timer_stop(session->shard, &session->tools_timer);
    free(session->again);
    session->again = NULL;
    session_loaded(session);
}

static void on_again_result(struct session *session, struct session_message *message)
{
    struct tool_result *result = (struct tool_result *)message;
    struct session_again *again = session->again ? &session->again[result->number] : NULL;

    if (!again || !again->job || result->progress)
        return;
    (void)tool_job_release(again->job); /* what only reads is not undone */
    tell_result(session, again->row, again->id, again->name, again->tool,
                result->status == ANTIPHON_ECONFIRM ? ANTIPHON_EDENIED : result->status, result->text, result->len);
    again_clear(again);
    if (--session->again_n == 0)
        finish(session);
}

static void give_up(struct session *session, bool tell)
{
    for (size_t i = 0; session->again && i < AGAIN_MAX; i++) {
        struct session_again *again = &session->again[i];
        if (!again->job)
            continue;
        tool_job_cancel(again->job);
        if (tell)
            tell_lost(session, again->row, again->id, again->name, true);
        again_clear(again);
    }
    session->again_n = 0;
}

static void on_again_late(void *ctx)
{
    give_up(ctx, true);
    finish(ctx);
}

static const struct registry_tool *repeatable(const struct session *session, const struct store_call_row *row)
{
    const struct registry_tool *tool = row->args ? toolset_find(session->toolset, row->tool) : NULL;

    return tool && tool->tool.invoke && (tool->tool.flags & ANTIPHON_TOOL_READ_ONLY) &&
                   !tool_secret_any(tool->schema)
               ? tool
               : NULL;
}

/* Valid when it was called first, and tools change: checked again. */
static bool start_again(struct session *session, const struct store_call_row *row, const struct registry_tool *tool)
{
    struct session_again *again = &session->again[session->again_n];
    struct buf args, why;
    bool started = false;

    buf_init(&args, TOOL_RUN_MAX_RESULT_BYTES);
    buf_init(&why, 64u * 1024);
    if (tool_args_check(tool, row->args, strlen(row->args), &args, &why) == ANTIPHON_OK) {
        struct tool_job_options options = {.tool = tool,
                                           .call_id = row->call_id,
                                           .app = session->agent->live.app_name,
                                           .session_id = session->id,
                                           .user_id = session->user,
                                           .agent = session->agent->name,
                                           .flags = ANTIPHON_CALL_AGAIN,
                                           .args = buf_text(&args),
                                           .args_len = args.len,
                                           .deadline_ms = clock_now_ms() + AGAIN_MS,
                                           .shard = shard_index(session->shard),
                                           .session = session->handle,
                                           .number = session->again_n,
                                           .row = row->id};
        *again = (struct session_again){.id = strdup(row->call_id), .name = strdup(row->tool), .tool = tool};
        (void)snprintf(again->row, sizeof(again->row), "%s", row->id);
        started = again->id && again->name &&
                  tool_job_start(session->runtime, &options, on_again_result, &again->job) == ANTIPHON_OK;
        if (!started)
            again_clear(again);
    }
    buf_deinit(&args);
    buf_deinit(&why);
    session->again_n += started;
    return started;
}

static void recover(struct session *session, struct store_call_row *row)
{
    const struct registry_tool *tool = session_take_toolset(session) ? NULL : repeatable(session, row);

    if (tool && !session->again)
        session->again = calloc(AGAIN_MAX, sizeof(*session->again));
    log_warn("tool", "session=%s tool=%s call=%s was cut short by the end of the server%s", session->id, row->tool,
             row->call_id, tool ? "; it only reads and runs again" : "");
    if (!tool || !session->again || session->again_n == AGAIN_MAX || !start_again(session, row, tool))
        tell_lost(session, row->id, row->call_id, row->tool, row->ran);
}

void session_recover_tools(struct session *session, struct store_snapshot *snapshot)
{
    for (size_t i = 0; snapshot && i < snapshot->calls_n; i++) {
        struct store_call_row *row = &snapshot->calls[i];
        if (row->reason && strcmp(row->reason, "interrupted") == 0 && !row->result)
            recover(session, row);
        else if (tool_memory_put(&session->tool_memory, row->call_id, row->result, session->connection, NULL))
            log_warn("tool", "session=%s call=%s no memory to remember it", session->id, row->call_id);
    }
    if (session->again_n > 0)
        timer_start(session->shard, &session->tools_timer, AGAIN_MS, on_again_late, session);
    else
        session_loaded(session);
}

void session_recover_deinit(struct session *session)
{
    give_up(session, false);
    free(session->again);
    session->again = NULL;
}
