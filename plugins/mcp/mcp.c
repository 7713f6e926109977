/* mcp - tools of other programs: servers of the Model Context Protocol, over standard input and
 * output or over HTTP. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/reply.h"
#include "server.h"

/* clang-format off */
ANTIPHON_MANIFEST({
    "name": "mcp",
    "version": "1.0.0",
    "description": "Tools of servers of the Model Context Protocol.",
    "licence": "Apache-2.0",
    "dynamic_tools": true,
    "config": {
        "type": "object",
        "properties": {
            "servers": {
                "type": "array",
                "maxItems": 16,
                "items": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]*$", "maxLength": 40, "description": "Stands before the names of its tools, with a _."},
                        "command": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 64, "description": "Program and arguments, for a server that is started here."},
                        "env": {"type": "array", "items": {"type": "string"}, "maxItems": 64, "description": "NAME=value each. Of the server's own environment it gets HOME, LANG, LOGNAME, PATH, SHELL, TERM and USER only."},
                        "cwd": {"type": "string", "minLength": 1, "description": "The folder it is started in."},
                        "url": {"type": "string", "minLength": 1, "description": "The address, for a server that is reached over HTTP."},
                        "authorization": {"type": "string", "writeOnly": true, "description": "Value of the header Authorization, such as Bearer and a token."},
                        "allow_private": {"type": "boolean", "description": "The address is on this machine or a private network."},
                        "prefix": {"type": "string", "maxLength": 40, "description": "Stands before the names of its tools instead of the name and _."},
                        "tools": {"type": "array", "items": {"type": "string"}, "maxItems": 200, "description": "Which of its tools are offered, in its own names; all if absent."},
                        "confirm": {"type": "string", "enum": ["never", "writes", "always"], "description": "Which tools run only after the user has agreed: none (never, the default), those that do not say that they only read, or all."},
                        "timeout_ms": {"type": "integer", "minimum": 100, "maximum": 3600000, "description": "How long a call may take; 30000 if absent."},
                        "start_timeout_ms": {"type": "integer", "minimum": 100, "maximum": 120000, "description": "How long it may take to be there; 15000 if absent."},
                        "optional": {"type": "boolean", "description": "If it is not there at the start, go on without its tools."}
                    },
                    "required": ["name"]
                }
            }
        }
    },
    "permissions": {"http": true, "private": true, "exec": true}
});
/* clang-format on */

#define MAX_SERVERS 16
#define MAX_NAME    128

enum confirm { CONFIRM_NEVER, CONFIRM_WRITES, CONFIRM_ALWAYS };

struct mcp_server {
    struct server server;
    const cJSON *settings; /* borrowed from struct mcp */
    char **argv, **env;    /* owned arrays of borrowed or owned texts, see own_texts() */
    bool open;
};

struct mcp_tool {
    char *name, *remote, *description, *schema; /* owned */
    struct mcp_server *server;
};

struct mcp {
    const struct antiphon_host *h;
    cJSON *settings; /* owned; all texts of the servers live in it */
    struct mcp_server servers[MAX_SERVERS];
    size_t servers_n;
    struct mcp_tool *tools; /* owned */
    size_t tools_n;
};

/* ---- calls ----------------------------------------------------------------------------------- */

static const struct mcp_tool *tool_named(const struct mcp *mcp, const char *name)
{
    for (size_t i = 0; i < mcp->tools_n; i++) {
        if (!strcmp(mcp->tools[i].name, name))
            return &mcp->tools[i];
    }
    return NULL;
}

static enum antiphon_status invoke(void *state, struct antiphon_call *call)
{
    struct mcp *mcp = state;
    const struct mcp_tool *tool = tool_named(mcp, call->tool);
    char why[MESSAGE_MAX_WHY] = "";
    cJSON *result = NULL, *answer = NULL, *params = cJSON_CreateObject();

    if (!tool) {
        cJSON_Delete(params);
        return ANTIPHON_EINTERNAL;
    }
    cJSON_AddStringToObject(params, "name", tool->remote);
    cJSON_AddItemToObject(params, "arguments", cJSON_ParseWithLength(call->args, call->args_len));
    enum antiphon_status status = server_request(&tool->server->server, call, "tools/call",
                                                 tool->remote, params, &result, why, sizeof(why));
    if (!status) {
        answer = message_result(result, why, sizeof(why));
        cJSON_Delete(result);
        if (answer)
            reply_json(mcp->h, call, answer);
        else
            mcp->h->finish(mcp->h, call, ANTIPHON_EINVAL, why, strlen(why));
    } else if (status == ANTIPHON_EINVAL) {
        mcp->h->finish(mcp->h, call, status, why, strlen(why));
    } else {
        reply_error(mcp->h, call, status, "the tool cannot be reached: %s: %s",
                    tool->server->server.options.link.name, why);
    }
    return ANTIPHON_OK;
}

static void cancel(void *state, struct antiphon_call *call)
{
    struct mcp *mcp = state;
    const struct mcp_tool *tool = tool_named(mcp, call->tool);

    if (tool)
        server_cancel(&tool->server->server, call);
}

/* ---- tools ----------------------------------------------------------------------------------- */

static const cJSON *setting(const struct mcp_server *server, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(server->settings, name);
}

static bool is_wanted(const struct mcp_server *server, const char *name)
{
    const cJSON *wanted = setting(server, "tools"), *one;

    if (!wanted)
        return true;
    cJSON_ArrayForEach (one, wanted) {
        if (cJSON_IsString(one) && !strcmp(one->valuestring, name))
            return true;
    }
    return false;
}

/* Prefix and name, with what a name may not have as '_'. */
static char *local_name(const struct mcp_server *server, const char *remote)
{
    const char *prefix = reply_text(server->settings, "prefix");
    char name[MAX_NAME];

    if (prefix)
        (void)snprintf(name, sizeof(name), "%s%s", prefix, remote);
    else
        (void)snprintf(name, sizeof(name), "%s_%s", server->server.options.link.name, remote);
    for (char *at = name; *at; at++) {
        if (!isascii((unsigned char)*at) ||
            !(isalnum((unsigned char)*at) || *at == '_' || *at == '-' || *at == '.'))
            *at = '_';
    }
    if (!isalpha((unsigned char)*name))
        *name = '_';
    return strdup(name);
}

static uint32_t flags_of(const struct mcp_server *server, const cJSON *tool)
{
    const cJSON *hints = cJSON_GetObjectItemCaseSensitive(tool, "annotations");
    bool reads = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(hints, "readOnlyHint"));
    const char *confirm = reply_text(server->settings, "confirm");

    if (confirm && (!strcmp(confirm, "always") || (!strcmp(confirm, "writes") && !reads)))
        return ANTIPHON_TOOL_NEEDS_CONFIRMATION;
    return reads ? ANTIPHON_TOOL_READ_ONLY : 0;
}

static enum antiphon_status add_tool(struct mcp *mcp, struct mcp_server *server, const cJSON *tool)
{
    const char *remote = reply_text(tool, "name"), *description = reply_text(tool, "description");
    const cJSON *schema = cJSON_GetObjectItemCaseSensitive(tool, "inputSchema");

    if (!remote || !is_wanted(server, remote))
        return ANTIPHON_OK;
    if (server->server.newer && server->server.options.link.url && message_wants_headers(schema)) {
        mcp->h->log(mcp->h, ANTIPHON_WARN,
                    "%s: the tool %s is left out: it wants its arguments in headers",
                    server->server.options.link.name, remote);
        return ANTIPHON_OK;
    }
    struct mcp_tool *longer = realloc(mcp->tools, (mcp->tools_n + 1) * sizeof(*longer));
    if (!longer)
        return ANTIPHON_ENOMEM;
    mcp->tools = longer;
    struct mcp_tool *made = &mcp->tools[mcp->tools_n++];
    *made = (struct mcp_tool){local_name(server, remote), strdup(remote),
                              strdup(description ? description : remote), message_schema(schema),
                              server};
    if (!made->name || !made->remote || !made->description || !made->schema)
        return ANTIPHON_ENOMEM;
    struct antiphon_tool added = {
        .struct_size = sizeof(added),
        .flags = flags_of(server, tool),
        .timeout_ms = server->server.options.timeout_ms + 1000,
        .name = made->name,
        .description = made->description,
        .params_schema = made->schema,
        .invoke = invoke,
        .cancel = cancel,
    };
    return mcp->h->add_tool(mcp->h, &added);
}

static enum antiphon_status add_tools(struct mcp *mcp, struct mcp_server *server, char *why,
                                      size_t size)
{
    char reason[MESSAGE_MAX_WHY] = "";
    cJSON *tools = NULL, *tool;
    enum antiphon_status status = server_tools(&server->server, &tools, reason, sizeof(reason));
    const char *name = server->server.options.link.name;

    if (status && cJSON_IsTrue(setting(server, "optional"))) {
        mcp->h->log(mcp->h, ANTIPHON_WARN, "%s is left out: %s", name, reason);
        return ANTIPHON_OK;
    }
    if (status) {
        (void)snprintf(why, size, "%s: %s", name, reason);
        return status;
    }
    cJSON_ArrayForEach (tool, tools) {
        status = status ? status : add_tool(mcp, server, tool);
    }
    cJSON_Delete(tools);
    if (status)
        (void)snprintf(why, size, "%s: one of its tools cannot be offered", name);
    return status;
}

/* ---- settings -------------------------------------------------------------------------------- */

/* The texts of an array, borrowed, and room for `more` and a NULL. */
static char **texts_of(const cJSON *array, size_t more, size_t *n)
{
    char **texts = calloc((size_t)cJSON_GetArraySize(array) + more + 1, sizeof(*texts));
    const cJSON *one;

    *n = 0;
    cJSON_ArrayForEach (one, array) {
        if (texts && cJSON_IsString(one))
            texts[(*n)++] = one->valuestring;
    }
    return texts;
}

/* Secrets of ours are in the environment: the child gets what it needs to run, and what the
 * settings say. */
static char **environment_of(const struct mcp_server *server)
{
    static const char *const passed[] = {"HOME",  "LANG", "LOGNAME", "PATH",
                                         "SHELL", "TERM", "USER"};
    enum { PASSED = sizeof(passed) / sizeof(passed[0]) };
    size_t n = 0;
    char **given = texts_of(setting(server, "env"), 0, &n);
    char **env = calloc(n + PASSED + 1, sizeof(*env));
    size_t to = 0;

    for (size_t i = 0; env && i < PASSED; i++) {
        const char *value = getenv(passed[i]);
        size_t size = strlen(passed[i]) + (value ? strlen(value) : 0) + 2;
        char *text = value ? malloc(size) : NULL;
        if (text) {
            (void)snprintf(text, size, "%s=%s", passed[i], value);
            env[to++] = text;
        }
    }
    for (size_t i = 0; env && given && i < n; i++) {
        env[to] = strdup(given[i]);
        to += env[to] != NULL;
    }
    free(given);
    return env;
}

static enum antiphon_status take_server(struct mcp *mcp, const cJSON *settings, char *why,
                                        size_t size)
{
    struct mcp_server *server = &mcp->servers[mcp->servers_n++];
    const char *name = reply_text(settings, "name"), *url = reply_text(settings, "url");
    const cJSON *command = cJSON_GetObjectItemCaseSensitive(settings, "command");
    size_t n = 0;

    server->settings = settings;
    server_init(&server->server);
    server->open = true;
    if (!url == !command) {
        (void)snprintf(why, size, "%s: give either command or url", name);
        return ANTIPHON_EINVAL;
    }
    server->argv = texts_of(command, 0, &n);
    server->env = environment_of(server);
    if (!server->argv || !server->env) {
        (void)snprintf(why, size, "out of memory");
        return ANTIPHON_ENOMEM;
    }
    server->server.options = (struct server_options){
        .link = {.h = mcp->h,
                 .name = name,
                 .argv = server->argv,
                 .env = server->env,
                 .cwd = reply_text(settings, "cwd"),
                 .url = url,
                 .authorization = reply_text(settings, "authorization"),
                 .allow_private = cJSON_IsTrue(setting(server, "allow_private"))},
        .start_timeout_ms = (uint32_t)reply_integer(settings, "start_timeout_ms", 15000),
        .timeout_ms = (uint32_t)reply_integer(settings, "timeout_ms", 30000),
    };
    return ANTIPHON_OK;
}

static void shut_down(void *state)
{
    struct mcp *mcp = state;

    for (size_t i = 0; i < mcp->servers_n; i++) {
        struct mcp_server *server = &mcp->servers[i];
        if (server->open)
            server_close(&server->server);
        free(server->argv);
        for (char **at = server->env; at && *at; at++)
            free(*at);
        free(server->env);
    }
    for (size_t i = 0; i < mcp->tools_n; i++) {
        free(mcp->tools[i].name);
        free(mcp->tools[i].remote);
        free(mcp->tools[i].description);
        cJSON_free(mcp->tools[i].schema);
    }
    free(mcp->tools);
    cJSON_Delete(mcp->settings);
    free(mcp);
}

static enum antiphon_status init(const struct antiphon_host *h, const char *config, void **state,
                                 char *why, size_t why_size)
{
    struct mcp *mcp = calloc(1, sizeof(*mcp));
    enum antiphon_status status = ANTIPHON_OK;
    const cJSON *one;

    if (!mcp || !(mcp->settings = cJSON_Parse(config))) {
        free(mcp);
        (void)snprintf(why, why_size, "out of memory");
        return ANTIPHON_ENOMEM;
    }
    mcp->h = h;
    cJSON_ArrayForEach (one, cJSON_GetObjectItemCaseSensitive(mcp->settings, "servers")) {
        if (!status)
            status = take_server(mcp, one, why, why_size);
    }
    for (size_t i = 0; !status && i < mcp->servers_n; i++)
        status = add_tools(mcp, &mcp->servers[i], why, why_size);
    if (status)
        shut_down(mcp);
    else
        *state = mcp;
    return status;
}

static const struct antiphon_plugin plugin = {
    .struct_size = sizeof(plugin),
    .name = "mcp",
    .version = "1.0.0",
    .init = init,
    .shutdown = shut_down,
};

const struct antiphon_plugin *antiphon_plugin_v1(void)
{
    return &plugin;
}
