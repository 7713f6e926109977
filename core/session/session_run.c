/* session_run - the JSON object that opens a connection to the model ("The run" in docs/plugins.md). */
#include <string.h>

#include "config/template.h"
#include "session/session_private.h"
#include "base/banned.h"

static void put(struct buf *out, const char *name, const char *text)
{
    buf_json_member(out, name, text);
    buf_puts(out, ",");
}

static enum antiphon_status put_tree(struct buf *out, const char *name, const cJSON *tree)
{
    enum antiphon_status status;

    buf_printf(out, "\"%s\":", name);
    status = json_print(tree, out);
    buf_puts(out, ",");
    return status;
}

static enum antiphon_status read_state(struct session *session, cJSON **state)
{
    static const struct json_limits limits = {.max_bytes = TOOL_STATE_MAX_BYTES, .max_tokens = 1u << 20};
    enum antiphon_status status;
    struct buf text;

    buf_init(&text, TOOL_STATE_MAX_BYTES);
    status = tool_state_print(session->state, &text);
    if (!status)
        status = json_parse(text.data, text.len, &limits, state, NULL);
    buf_deinit(&text);
    return status;
}

/* The agent's instruction with its templates filled in, and the line about itself that ADK adds. */
static enum antiphon_status put_instruction(struct session *session, struct buf *out, struct err *err)
{
    const struct agent *agent = session->agent;
    enum antiphon_status status;
    cJSON *state = NULL;
    struct buf text;

    buf_init(&text, 4u * 1024 * 1024);
    status = read_state(session, &state);
    if (status) {
        err_set(err, status, "the state of the session cannot be read");
        goto out;
    }
    status = template_expand(agent->instruction, state, &text, err);
    if (status)
        goto out;
    buf_printf(&text, "\n\nYou are an agent. Your internal name is \"%s\".", agent->name);
    if (agent->description[0])
        buf_printf(&text, " The description about you is \"%s\".", agent->description);
    status = buf_status(&text);
    if (!status)
        put(out, "instruction", buf_text(&text));
out:
    buf_deinit(&text);
    cJSON_Delete(state);
    return status;
}

bool session_answers_apart(const struct session *session)
{
    const char *mode = json_get_string(session->profile.entry, "tools");

    return mode && strcmp(mode, "non_blocking") == 0;
}

static void put_function(const struct session *session, struct buf *out, const struct antiphon_tool *tool, bool first)
{
    buf_puts(out, first ? "{" : ",{");
    put(out, "name", tool->name);
    if (tool->params_schema)
        buf_printf(out, "\"parameters\":%s,", tool->params_schema);
    if ((tool->flags & ANTIPHON_TOOL_NON_BLOCKING) && session_answers_apart(session))
        put(out, "behavior", "NON_BLOCKING");
    buf_puts(out, "\"description\":");
    buf_json_string(out, tool->description, strlen(tool->description));
    buf_puts(out, "}");
}

static bool has_functions(const struct session *session)
{
    for (size_t i = 0; i < toolset_count(session->toolset); i++) {
        const struct registry_tool *tool = toolset_get(session->toolset, i);
        if (tool && tool->tool.invoke && !tool->tool.native_feature)
            return true;
    }
    return false;
}

bool session_is_native(const struct session *session, const struct antiphon_tool *tool)
{
    if (!tool->native_feature || !profile_native(&session->profile, tool->native_feature))
        return false;
    return profile_mixes(&session->profile) || !has_functions(session); /* the model refuses both at once */
}

/* Function tools by declaration; native ones by the fragment, where the profile allows their feature. */
static void put_tools(struct session *session, struct buf *out)
{
    size_t n = toolset_count(session->toolset);
    bool first = true;

    buf_puts(out, "\"functions\":[");
    for (size_t i = 0; i < n; i++) {
        const struct registry_tool *tool = toolset_get(session->toolset, i);
        if (!tool || !tool->tool.invoke || session_is_native(session, &tool->tool))
            continue;
        put_function(session, out, &tool->tool, first);
        first = false;
    }
    buf_puts(out, "],\"native\":[");
    first = true;
    for (size_t i = 0; i < n; i++) {
        const struct registry_tool *tool = toolset_get(session->toolset, i);
        if (!tool || !session_is_native(session, &tool->tool))
            continue;
        buf_printf(out, "%s%s", first ? "" : ",", tool->tool.native_fragment);
        first = false;
    }
    buf_puts(out, "],");
}

static enum antiphon_status put_history(struct session *session, bool resume, struct buf *out)
{
    enum antiphon_status status;
    double since = resume && session->resumption ? session->resumption_time : 0;

    if (session->agent->live.resumption) {
        buf_puts(out, "\"resumption\":{\"enabled\":true");
        if (resume && session->resumption) {
            buf_puts(out, ",\"handle\":");
            buf_json_string(out, session->resumption, strlen(session->resumption));
        }
        buf_puts(out, "},");
    }
    if (!session->profile.history || !history_has(session->history, since))
        return ANTIPHON_OK;
    buf_puts(out, "\"history\":");
    status = history_print_model(session->history, since, out);
    buf_puts(out, ",");
    return status;
}

enum antiphon_status session_run_print(struct session *session, bool resume, struct buf *out, struct err *err)
{
    const struct agent *agent = session->agent;
    const struct config *config = session->runtime->config;
    enum antiphon_status status;

    buf_puts(out, "{");
    put(out, "model", agent->model);
    put(out, "modality", session->audio ? "AUDIO" : "TEXT");
    status = put_instruction(session, out, err);
    if (status)
        return status;
    put_tools(session, out);
    if (agent->generation)
        status = put_tree(out, "generation", agent->generation);
    if (!status && agent->live.settings)
        status = put_tree(out, "live", agent->live.settings);
    if (!status && session->profile.entry)
        status = put_tree(out, "profile", session->profile.entry);
    if (!status)
        status = put_history(session, resume, out);
    if (status)
        return err_set(err, status, "the setup could not be written");
    buf_printf(out,
               "\"input_transcription\":%s,\"output_transcription\":%s,"
               "\"deadlines\":{\"resolve_ms\":%u,\"connect_ms\":%u},\"max_message\":%u}",
               agent->live.input_transcription ? "true" : "false",
               agent->live.output_transcription && session->audio ? "true" : "false",
               config->deadlines.resolve, config->deadlines.connect, config->limits.upstream_message_bytes);
    status = buf_status(out);
    return status ? err_set(err, status, "the setup is too large") : ANTIPHON_OK;
}
