#include "config/mcp_toolset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/check.h"
#include "base/banned.h"

#define PLUGIN "mcp"
#define LATER  "is not supported yet"

static const struct {
    const char *name, *why;
} refused[] = {
    {"sse_connection_params", LATER "; it is the old transport of HTTP with two addresses, write "
                                    "streamable_http_connection_params if the server has it"},
    {"tool_list_cache_ttl_seconds", LATER "; tools are listed again when the server says that they have changed"},
    {"auth_scheme", LATER "; write a header Authorization"},
    {"auth_credential", LATER "; write a header Authorization"},
    {"credential_key", LATER},
    {"use_mcp_resources", LATER},
    {"state_header_mapping", LATER},
    {"header_provider", LATER},
    {"require_confirmation", LATER "; write live.tools with confirm"},
    {"errlog", LATER},
};

bool mcp_toolset_is(const char *tool)
{
    return strcmp(tool, "McpToolset") == 0 || strcmp(tool, "MCPToolset") == 0;
}

/* ---- reading ---- */

static bool is_unused(const cJSON *value)
{
    return cJSON_IsNull(value) || cJSON_IsFalse(value) || (cJSON_IsArray(value) && !value->child);
}

/* What is null means nothing, as with ADK; what cannot be done yet is said. */
static void tidy(const struct yaml *yaml, cJSON *args, const char *path, struct report *report)
{
    char at[300];

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        cJSON *member = cJSON_DetachItemFromObjectCaseSensitive(args, refused[i].name);
        (void)snprintf(at, sizeof(at), "%s.%s", path, refused[i].name);
        if (member && !is_unused(member))
            yaml_fault(yaml, report, at, "%s", refused[i].why);
        cJSON_Delete(member);
    }
    for (cJSON *member = args->child, *next; member; member = next) {
        next = member->next;
        if (is_unused(member))
            cJSON_Delete(cJSON_DetachItemViaPointer(args, member));
    }
}

/* {"A": "x"} as [make("A", "x")] in server.to. */
static void take_pairs(const struct yaml *yaml, const cJSON *pairs, const char *path, struct report *report,
                       cJSON *server, const char *to, cJSON *(*make)(const char *name, const char *value))
{
    cJSON *list = pairs ? cJSON_AddArrayToObject(server, to) : NULL;
    const cJSON *pair;
    char at[400];

    cJSON_ArrayForEach (pair, pairs) {
        if (cJSON_IsString(pair)) {
            cJSON_AddItemToArray(list, make(pair->string, pair->valuestring));
            continue;
        }
        (void)snprintf(at, sizeof(at), "%s.%s", path, pair->string);
        yaml_fault(yaml, report, at, "must be text");
    }
}

static cJSON *make_variable(const char *name, const char *value)
{
    struct buf text;

    buf_init(&text, (size_t)1 << 20);
    buf_printf(&text, "%s=%s", name, value);
    cJSON *made = cJSON_CreateString(buf_text(&text));
    buf_deinit(&text);
    return made;
}

static cJSON *make_header(const char *name, const char *value)
{
    cJSON *made = cJSON_CreateObject();

    cJSON_AddStringToObject(made, "name", name);
    cJSON_AddStringToObject(made, "value", value);
    return made;
}

static void take_seconds(const cJSON *from, const char *name, cJSON *server, const char *to)
{
    const cJSON *seconds = json_get(from, name);

    if (cJSON_IsNumber(seconds))
        cJSON_AddNumberToObject(server, to, (double)(long)(seconds->valuedouble * 1000));
}

static void copy_member(const cJSON *from, const char *name, cJSON *server, const char *to)
{
    const cJSON *member = json_get(from, name);

    if (member)
        cJSON_AddItemToObject(server, to, cJSON_Duplicate(member, true));
}

static void take_program(const struct yaml *yaml, const cJSON *params, const char *path, struct report *report,
                         cJSON *server)
{
    cJSON *command = cJSON_AddArrayToObject(server, "command");
    const cJSON *one;
    char at[300];

    cJSON_AddItemToArray(command, cJSON_CreateString(json_get_string(params, "command")));
    cJSON_ArrayForEach (one, json_get(params, "args"))
        cJSON_AddItemToArray(command, cJSON_Duplicate(one, true));
    copy_member(params, "cwd", server, "cwd");
    (void)snprintf(at, sizeof(at), "%s.env", path);
    take_pairs(yaml, json_get(params, "env"), at, report, server, "env", make_variable);
}

static void take_address(const struct yaml *yaml, const cJSON *params, const char *path, struct report *report,
                         cJSON *server)
{
    char at[300];

    copy_member(params, "url", server, "url");
    cJSON_AddTrueToObject(server, "allow_private"); /* the operator names it, never the model */
    take_seconds(params, "timeout", server, "start_timeout_ms");
    take_seconds(params, "sse_read_timeout", server, "timeout_ms");
    (void)snprintf(at, sizeof(at), "%s.headers", path);
    take_pairs(yaml, json_get(params, "headers"), at, report, server, "headers", make_header);
}

static void take_names(const cJSON *args, cJSON *server)
{
    const char *prefix = json_get_string(args, "tool_name_prefix");
    char text[64] = "";

    copy_member(args, "tool_filter", server, "tools");
    if (prefix)
        (void)snprintf(text, sizeof(text), "%s_", prefix);
    cJSON_AddStringToObject(server, "prefix", text);
}

enum antiphon_status mcp_toolset_read(const struct yaml *yaml, cJSON *args, const char *path, struct report *report,
                                  cJSON **server)
{
    char at[128], below[200];
    unsigned before = report->faults;

    (void)snprintf(at, sizeof(at), "%s.args", path);
    if (args)
        tidy(yaml, args, at, report);
    const cJSON *program = json_get(args, "stdio_server_params");
    const cJSON *connection = json_get(args, "stdio_connection_params");
    const cJSON *http = json_get(args, "streamable_http_connection_params");
    if (report->faults == before && !program + !connection + !http != 2) {
        yaml_fault(yaml, report, at, "give exactly one of stdio_server_params, stdio_connection_params and "
                                     "streamable_http_connection_params");
        return ANTIPHON_EINVAL;
    }
    enum antiphon_status status =
        args ? check_part(yaml, args, at, "mcp_toolset.schema.json", 0, report) : ANTIPHON_EINVAL;
    if (status || report->faults > before)
        return status ? status : ANTIPHON_EINVAL;
    cJSON *made = cJSON_CreateObject();
    (void)snprintf(below, sizeof(below), "%s.%s", at,
                   http ? "streamable_http_connection_params"
                        : program ? "stdio_server_params" : "stdio_connection_params.server_params");
    if (http)
        take_address(yaml, http, below, report, made);
    else
        take_program(yaml, program ? program : json_get(connection, "server_params"), below, report, made);
    take_seconds(connection, "timeout", made, "start_timeout_ms");
    take_names(args, made);
    if (report->faults > before) {
        cJSON_Delete(made);
        return ANTIPHON_EINVAL;
    }
    *server = made;
    return made ? ANTIPHON_OK : ANTIPHON_ENOMEM;
}

/* ---- joining ---- */

static cJSON *member_of(cJSON *object, const char *name, bool array)
{
    cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);

    if (cJSON_IsNull(member)) {
        cJSON_DeleteItemFromObjectCaseSensitive(object, name);
        member = NULL;
    }
    if (member)
        return member;
    return array ? cJSON_AddArrayToObject(object, name) : cJSON_AddObjectToObject(object, name);
}

/* The name of one of the servers from `first` on that is like it; NULL: none. */
static const char *equal_to(const cJSON *servers, int first, const cJSON *server)
{
    const cJSON *one;
    int index = 0;

    cJSON_ArrayForEach (one, servers) {
        if (index++ < first)
            continue;
        cJSON *copy = cJSON_Duplicate(one, true);
        cJSON_DeleteItemFromObjectCaseSensitive(copy, "name");
        bool same = cJSON_Compare(copy, server, true);
        cJSON_Delete(copy);
        if (same)
            return json_get_string(one, "name");
    }
    return NULL;
}

static enum antiphon_status join(struct agent_tool *tool, cJSON *servers, int first)
{
    const char *known = equal_to(servers, first, tool->toolset);
    char name[32];

    (void)snprintf(name, sizeof(name), "toolset_%d", cJSON_GetArraySize(servers) - first + 1);
    char *copy = strdup(known ? known : name);
    if (!copy)
        return ANTIPHON_ENOMEM;
    free(tool->name);
    tool->name = copy;
    if (known)
        return ANTIPHON_OK;
    cJSON *server = cJSON_Duplicate(tool->toolset, true);
    if (!server || !cJSON_AddStringToObject(server, "name", name) || !cJSON_AddItemToArray(servers, server)) {
        cJSON_Delete(server);
        return ANTIPHON_ENOMEM;
    }
    return ANTIPHON_OK;
}

static bool has_toolset(struct agents *agents)
{
    for (size_t i = 0; i < agents_count(agents); i++) {
        const struct agent *agent = agents_edit(agents, i);
        for (size_t t = 0; t < agent->tools_n; t++) {
            if (agent->tools[t].toolset)
                return true;
        }
    }
    return false;
}

enum antiphon_status mcp_toolset_join(struct agents *agents, struct config *config)
{
    enum antiphon_status status = ANTIPHON_OK;

    if (!has_toolset(agents))
        return ANTIPHON_OK;
    if (!config->plugins && !(config->plugins = cJSON_CreateObject()))
        return ANTIPHON_ENOMEM;
    cJSON *servers = member_of(member_of(config->plugins, PLUGIN, false), "servers", true);
    int first = cJSON_GetArraySize(servers);
    if (!servers)
        return ANTIPHON_ENOMEM;
    for (size_t i = 0; i < agents_count(agents); i++) {
        struct agent *agent = agents_edit(agents, i);
        for (size_t t = 0; t < agent->tools_n && !status; t++)
            status = agent->tools[t].toolset ? join(&agent->tools[t], servers, first) : ANTIPHON_OK;
    }
    return status;
}
