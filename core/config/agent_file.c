#include "config/agent_file.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/check.h"
#include "config/expand.h"
#include "config/mcp_toolset.h"
#include "base/banned.h"

#define LATER "is not supported yet"
/* In live.tools: the tools that have no entry of their own. */
#define ANY_TOOL "*"

/* ---- keys of ADK that are refused, each with what to do
 * ------------------------------------------------- */

struct refused {
    const char *name, *why;
};

static const struct refused refused_keys[] = {
    {"static_instruction", LATER},
    {"sub_agents", LATER},
    {"model_code", LATER},
    {"global_instruction", LATER},
    {"planner", LATER},
    {"code_executor", LATER},
    {"disallow_transfer_to_parent", LATER},
    {"disallow_transfer_to_peers", LATER},
    {"input_schema", LATER},
    {"output_schema", LATER},
    {"output_key", LATER},
    {"max_iterations", LATER},
    {"before_agent_callbacks", LATER},
    {"after_agent_callbacks", LATER},
    {"before_model_callbacks", LATER},
    {"after_model_callbacks", LATER},
    {"before_tool_callbacks", LATER},
    {"after_tool_callbacks", LATER},
    {"speech_config", LATER "; write live.voice and live.language"},
};

#define NOT_LIVE "is not supported by live models"
static const struct refused refused_generation[] = {
    {"response_logprobs", NOT_LIVE},
    {"logprobs", NOT_LIVE},
    {"response_mime_type", NOT_LIVE},
    {"response_schema", NOT_LIVE},
    {"response_json_schema", NOT_LIVE},
    {"stop_sequences", NOT_LIVE},
    {"routing_config", NOT_LIVE},
    {"audio_timestamp", NOT_LIVE},
    {"cached_content", NOT_LIVE},
    {"response_modalities", "is not set here; write live.modality"},
    {"tools", "is not set here; write tools of the agent"},
    {"system_instruction", "is not set here; write instruction of the agent"},
    {"tool_config", LATER},
    {"automatic_function_calling", LATER},
    {"http_options", LATER},
    {"labels", LATER "; write live.setup.labels"},
};

static const struct refused refused_classes[] = {
    {"LoopAgent", LATER}, {"ParallelAgent", LATER}, {"SequentialAgent", LATER},
    {"BaseAgent", LATER}, {"Workflow", LATER},
};

static const struct refused refused_tools[] = {
    {"AgentTool", LATER},
    {"LongRunningFunctionTool", LATER},
    {"ExampleTool", LATER},
    {"VertexAiSearchTool", LATER},
    {"ApplicationIntegrationToolset", LATER},
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct refused *find_refused(const struct refused *table, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    }
    return NULL;
}

/* Tools that write every key leave unused ones as null, [] or false: these mean nothing. */
static bool is_unused(const cJSON *value)
{
    return cJSON_IsNull(value) || cJSON_IsFalse(value) || (cJSON_IsArray(value) && !value->child);
}

/* Takes refused members out of object, so that each has one message. */
static void refuse_members(const struct yaml *yaml, cJSON *object, const char *prefix,
                           const struct refused *table, size_t n, struct report *report)
{
    for (size_t i = 0; i < n; i++) {
        cJSON *member = cJSON_DetachItemFromObjectCaseSensitive(object, table[i].name);
        char path[256];
        if (!member)
            continue;
        snprintf(path, sizeof(path), "%s%s", prefix, table[i].name);
        if (!is_unused(member))
            yaml_fault(yaml, report, path, "%s", table[i].why);
        cJSON_Delete(member);
    }
}

static void refuse_class(const struct yaml *yaml, cJSON *tree, struct report *report)
{
    cJSON *kind = cJSON_GetObjectItemCaseSensitive(tree, "agent_class");
    const char *name = cJSON_IsString(kind) ? kind->valuestring : "";
    const char *last = strrchr(name, '.') ? strrchr(name, '.') + 1 : name;

    if (strcmp(last, "LlmAgent") == 0)
        return;
    if (!strchr(name, '.') && !find_refused(refused_classes, COUNT(refused_classes), name))
        return; /* a typing error: the schema has the better message */
    yaml_fault(yaml, report, "agent_class", "%s " LATER "; only LlmAgent is", name);
    cJSON_DeleteItemFromObjectCaseSensitive(tree, "agent_class");
}

static void refuse_contents(const struct yaml *yaml, cJSON *tree, struct report *report)
{
    const char *contents = json_get_string(tree, "include_contents");

    if (!contents || strcmp(contents, "none") != 0)
        return;
    yaml_fault(yaml, report, "include_contents", "none " LATER);
    cJSON_DeleteItemFromObjectCaseSensitive(tree, "include_contents");
}

/* ---- rules that a schema cannot say
 * --------------------------------------------------------------------- */

/* Its faults are wanted with all the others. */
static void check_toolset(const struct yaml *yaml, const cJSON *tool, int index, struct report *report)
{
    cJSON *args = cJSON_Duplicate(json_get(tool, "args"), true), *server = NULL;
    char path[64];

    snprintf(path, sizeof(path), "tools[%d]", index);
    if (mcp_toolset_read(yaml, args, path, report, &server) == ANTIPHON_OK)
        cJSON_Delete(server);
    cJSON_Delete(args);
}

static void check_tools(const struct yaml *yaml, const cJSON *tools, struct report *report)
{
    const cJSON *tool, *other;
    int index = 0;

    cJSON_ArrayForEach (tool, tools) {
        char path[64];
        const char *name = json_get_string(tool, "name");
        snprintf(path, sizeof(path), "tools[%d].name", index++);
        if (!name)
            continue;
        const struct refused *refused = find_refused(refused_tools, COUNT(refused_tools), name);
        if (refused)
            yaml_fault(yaml, report, path, "%s %s", name, refused->why);
        else if (mcp_toolset_is(name))
            check_toolset(yaml, tool, index - 1, report);
        else if (strchr(name, '.'))
            yaml_fault(yaml, report, path,
                       "%s looks like Python code, which is not run here; name a tool of a plugin",
                       name);
        for (other = tools->child; other != tool; other = other->next) {
            const char *earlier = json_get_string(other, "name");
            if (earlier && strcmp(earlier, name) == 0 && !mcp_toolset_is(name))
                yaml_fault(yaml, report, path, "the tool %s is there twice", name);
        }
    }
}

static bool is_named(const cJSON *tools, const char *name, const char **names, size_t *n)
{
    const cJSON *tool;

    *n = 0;
    cJSON_ArrayForEach (tool, tools) {
        const char *one = json_get_string(tool, "name");
        if (one && strcmp(one, name) == 0)
            return true;
        if (one && *n < AGENT_MAX_TOOLS)
            names[(*n)++] = one;
    }
    return strcmp(name, ANY_TOOL) == 0;
}

/* The members of live.tools: their names are the tools', which no schema can say. */
static void check_policies(const struct yaml *yaml, const cJSON *tree, struct report *report)
{
    const char *names[AGENT_MAX_TOOLS];
    cJSON *policy;
    size_t n;

    cJSON_ArrayForEach (policy, json_get(json_get(tree, "live"), "tools")) {
        char path[256];
        snprintf(path, sizeof(path), "live.tools.%s", policy->string);
        if (check_part(yaml, policy, path, "tool_policy.schema.json", 0, report) == ANTIPHON_EINTERNAL)
            return;
        if (is_named(json_get(tree, "tools"), policy->string, names, &n))
            continue;
        const char *near = jschema_nearest(policy->string, names, n);
        yaml_fault(yaml, report, path, "is no tool of this agent%s%s%s", near ? "; did you mean \"" : "",
                   near ? near : "", near ? "\"?" : "");
    }
}

static void check_name(const struct yaml *yaml, const cJSON *tree, struct report *report)
{
    const char *name = json_get_string(tree, "name");

    if (name && strcmp(name, "user") == 0)
        yaml_fault(yaml, report, "name",
                   "\"user\" is the name of the person who talks to the agent");
}

/* ---- from tree to struct
 * --------------------------------------------------------------------------------- */

/* In place. */
static void name_to_camel(char *name)
{
    char *out = name;

    for (const char *in = name; *in; in++) {
        if (in[0] == '_' && islower((unsigned char)in[1])) {
            in++;
            *out++ = (char)toupper((unsigned char)*in);
        } else {
            *out++ = *in;
        }
    }
    *out = '\0';
}

/* "max_output_tokens" -> "maxOutputTokens", in every object below node. */
static cJSON *to_camel(const cJSON *node)
{
    cJSON *copy = cJSON_Duplicate(node, false);

    for (const cJSON *child = node->child; copy && child; child = child->next) {
        cJSON *value = to_camel(child);
        bool ok = value != NULL;
        if (ok && cJSON_IsObject(node)) {
            char *name = strdup(child->string);
            if (name)
                name_to_camel(name);
            ok = name && cJSON_AddItemToObject(copy, name, value);
            free(name);
        } else if (ok) {
            ok = cJSON_AddItemToArray(copy, value);
        }
        if (!ok) {
            cJSON_Delete(value);
            cJSON_Delete(copy);
            return NULL;
        }
    }
    return copy;
}

static bool take_text(const cJSON *object, const char *name, const char *fallback, char **out)
{
    const char *text = json_get_string(object, name);

    *out = strdup(text ? text : fallback);
    return *out != NULL;
}

static void take_policy(const cJSON *tree, const char *name, struct agent_tool_policy *policy)
{
    const cJSON *policies = json_get(json_get(tree, "live"), "tools");
    const cJSON *from = json_get(policies, name) ? json_get(policies, name) : json_get(policies, ANY_TOOL);
    const char *confirm = json_get_string(from, "confirm");

    policy->deadline_ms = (uint32_t)json_get_number(from, "deadline_ms", 0);
    policy->calls_per_turn = (uint32_t)json_get_number(from, "calls_per_turn", 0);
    policy->calls_per_minute = (uint32_t)json_get_number(from, "calls_per_minute", 0);
    policy->concurrency = (uint32_t)json_get_number(from, "concurrency", 0);
    if (confirm)
        policy->confirm = confirm[0] == 'a' ? AGENT_CONFIRM_ALWAYS : AGENT_CONFIRM_NEVER;
}

static enum antiphon_status take_toolset(const struct yaml *yaml, struct agent_tool *tool, size_t index,
                                         struct report *report)
{
    char path[64];

    snprintf(path, sizeof(path), "tools[%zu]", index);
    enum antiphon_status status = mcp_toolset_read(yaml, tool->args, path, report, &tool->toolset);
    cJSON_Delete(tool->args);
    tool->args = NULL;
    return status;
}

static enum antiphon_status take_tools(const struct yaml *yaml, const cJSON *tree, struct agent *agent,
                                       struct report *report)
{
    enum antiphon_status status = ANTIPHON_OK, one;
    const cJSON *item;

    cJSON_ArrayForEach (item, json_get(tree, "tools")) {
        struct agent_tool *tool = &agent->tools[agent->tools_n];
        const cJSON *args = json_get(item, "args");
        char path[64];
        int column;
        snprintf(path, sizeof(path), "tools[%zu].name", agent->tools_n++);
        yaml_place(yaml, path, &tool->line, &column);
        if (!take_text(item, "name", "", &tool->name) ||
            (args && !(tool->args = cJSON_Duplicate(args, true))))
            return ANTIPHON_ENOMEM;
        take_policy(tree, tool->name, &tool->policy);
        one = mcp_toolset_is(tool->name) ? take_toolset(yaml, tool, agent->tools_n - 1, report) : ANTIPHON_OK;
        status = status ? status : one;
    }
    return status;
}

static bool take_live(const cJSON *live, struct agent *agent)
{
    struct agent_live *out = &agent->live;

    out->input_transcription = json_get_bool(live, "input_transcription", true);
    out->output_transcription = json_get_bool(live, "output_transcription", true);
    out->resumption = json_get_bool(live, "resumption", true);
    out->show_thoughts = json_get_bool(live, "show_thoughts", false);
    out->tool_timeout_ms = (uint32_t)json_get_number(live, "tool_timeout_ms", 0);
    return take_text(live, "provider", "gemini_live", &out->provider) &&
           take_text(live, "app_name", agent->folder, &out->app_name) &&
           take_text(live, "modality", "auto", &out->modality);
}

/* settings: owned by the agent from here on. */
static enum antiphon_status fill(const struct yaml *yaml, const cJSON *tree, cJSON *settings,
                                 struct agent *agent, struct report *report)
{
    const cJSON *generation = json_get(tree, "generate_content_config");
    int column;

    agent->live.settings = settings;
    yaml_place(yaml, "model", &agent->model_line, &column);
    if (!take_text(tree, "name", "", &agent->name) ||
        !take_text(tree, "description", "", &agent->description) ||
        !take_text(tree, "instruction", "", &agent->instruction) ||
        !take_text(tree, "model", "", &agent->model) ||
        !take_live(json_get(tree, "live"), agent) ||
        (generation && !(agent->generation = to_camel(generation))))
        return ANTIPHON_ENOMEM;
    return take_tools(yaml, tree, agent, report);
}

/* All checks of the tree; *settings is the `live:` object as written, for the caller to own. */
static enum antiphon_status check(struct yaml *yaml, struct report *report, cJSON **settings)
{
    cJSON *tree = yaml_tree(yaml);
    unsigned before = report->faults;

    if (yaml_snake_keys(yaml, "generate_content_config", report) != ANTIPHON_OK)
        return ANTIPHON_ENOMEM;
    /* An unset variable is reported, and the rest is checked all the same. */
    if (expand_tree(yaml, tree, "", report) == ANTIPHON_ENOMEM)
        return ANTIPHON_ENOMEM;
    refuse_members(yaml, tree, "", refused_keys, COUNT(refused_keys), report);
    refuse_members(yaml, cJSON_GetObjectItemCaseSensitive(tree, "generate_content_config"),
                   "generate_content_config.", refused_generation, COUNT(refused_generation),
                   report);
    refuse_class(yaml, tree, report);
    refuse_contents(yaml, tree, report);
    const cJSON *live = json_get(tree, "live");
    *settings = live ? cJSON_Duplicate(live, true) : cJSON_CreateObject();
    if (!*settings)
        return ANTIPHON_ENOMEM;
    enum antiphon_status status =
        check_tree(yaml, tree, "agent.schema.json", JSCHEMA_FILL_DEFAULTS, report);
    check_name(yaml, tree, report);
    check_tools(yaml, json_get(tree, "tools"), report);
    check_policies(yaml, tree, report);
    return status == ANTIPHON_OK && report->faults > before ? ANTIPHON_EINVAL : status;
}

enum antiphon_status agent_file_load(const char *folder, const char *file, struct report *report,
                                     struct agent **agent)
{
    struct yaml *yaml = NULL;
    cJSON *settings = NULL;
    struct agent *made = NULL;
    enum antiphon_status status = yaml_load(file, report, &yaml);

    if (status == ANTIPHON_OK)
        status = check(yaml, report, &settings);
    if (status != ANTIPHON_OK)
        goto out;
    status = ANTIPHON_ENOMEM;
    made = calloc(1, sizeof(*made));
    if (!made || !(made->folder = strdup(folder)) || !(made->file = strdup(file)))
        goto out;
    status = fill(yaml, yaml_tree(yaml), settings, made, report);
    settings = NULL;
    if (status != ANTIPHON_OK)
        goto out;
    *agent = made;
    made = NULL;
out:
    if (status == ANTIPHON_ENOMEM)
        report_fault(report, file, 0, 0, "", "out of memory");
    agent_file_free(made);
    cJSON_Delete(settings);
    yaml_free(yaml);
    return status;
}

void agent_file_free(struct agent *agent)
{
    if (!agent)
        return;
    for (size_t i = 0; i < agent->tools_n; i++) {
        free(agent->tools[i].name);
        cJSON_Delete(agent->tools[i].args);
        cJSON_Delete(agent->tools[i].toolset);
    }
    cJSON_Delete(agent->generation);
    cJSON_Delete(agent->live.settings);
    free(agent->live.provider);
    free(agent->live.app_name);
    free(agent->live.modality);
    free(agent->folder);
    free(agent->file);
    free(agent->name);
    free(agent->description);
    free(agent->instruction);
    free(agent->model);
    free(agent);
}
