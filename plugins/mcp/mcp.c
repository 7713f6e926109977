/* mcp - tools of other programs: servers of the Model Context Protocol, over standard input and
 * output or over HTTP. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/reply.h"
#include "catalog.h"
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
                        "authorization": {"type": "string", "writeOnly": true, "x-host-only": true, "description": "Value of the header Authorization, such as Bearer and a token."},
                        "headers": {"type": "array", "maxItems": 8, "items": {"type": "object", "required": ["name", "value"], "properties": {
                            "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"},
                            "value": {"type": "string", "writeOnly": true, "x-host-only": true}}}, "description": "Further headers of all requests."},
                        "allow_private": {"type": "boolean", "description": "The address is on this machine or a private network."},
                        "prefix": {"type": "string", "maxLength": 40, "description": "Stands before the names of its tools instead of the name and _."},
                        "tools": {"type": "array", "items": {"type": "string"}, "maxItems": 200, "description": "Which of its tools are offered, in its own names; all if absent."},
                        "confirm": {"type": "string", "enum": ["never", "writes", "always"], "description": "Which tools run only after the user has agreed: none (never, the default), those that do not say that they only read, or all."},
                        "timeout_ms": {"type": "integer", "minimum": 100, "maximum": 3600000, "description": "How long a call may take; 30000 if absent."},
                        "start_timeout_ms": {"type": "integer", "minimum": 100, "maximum": 120000, "description": "How long it may take to be there; 15000 if absent."},
                        "optional": {"type": "boolean", "description": "If it is not there at the start, go on without its tools; they are offered when it is."}
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
#define MAX_TOOLS   256 /* of all servers, the sets included; the rest is left out and that is said \
                         */
#define SOON_MS  100u   /* until a server is looked at again that has said that its tools changed */
#define LATER_MS 1000u  /* until one is looked at again that could not be looked at */

struct mcp;
struct mcp_server {
    struct server server;
    struct mcp *mcp;       /* borrowed */
    const cJSON *settings; /* borrowed from struct mcp */
    char **argv, **env;    /* owned arrays of borrowed or owned texts, see own_texts() */
    bool open;
    struct catalog catalog; /* under the lock of struct mcp */
    atomic_bool awaited;    /* it will be looked at */
};

struct mcp {
    const struct antiphon_host *h;
    cJSON *settings; /* owned; all texts of the servers live in it */
    struct mcp_server servers[MAX_SERVERS];
    size_t servers_n;
    pthread_mutex_t lock; /* over the catalogs, and while they are offered */
};

/* ---- calls ----------------------------------------------------------------------------------- */

/* *remote is the caller's. NULL: it is not there any more. */
static struct mcp_server *find_tool(struct mcp *mcp, const char *name, char **remote)
{
    struct mcp_server *found = NULL;

    pthread_mutex_lock(&mcp->lock);
    for (size_t i = 0; i < mcp->servers_n && !found; i++) {
        const struct catalog_tool *tool = catalog_find(&mcp->servers[i].catalog, name);
        if (!tool)
            continue;
        found = &mcp->servers[i];
        if (remote)
            *remote = strdup(tool->remote);
    }
    pthread_mutex_unlock(&mcp->lock);
    return found;
}

static void answer_call(struct mcp *mcp, struct antiphon_call *call, struct mcp_server *server,
                        const char *remote)
{
    char why[MESSAGE_MAX_WHY] = "";
    cJSON *result = NULL, *answer = NULL, *params = cJSON_CreateObject();

    cJSON_AddStringToObject(params, "name", remote);
    cJSON_AddItemToObject(params, "arguments", cJSON_ParseWithLength(call->args, call->args_len));
    enum antiphon_status status = server_request(&server->server, call, "tools/call", remote,
                                                 params, &result, why, sizeof(why));
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
                    server->server.options.link.name, why);
    }
}

static enum antiphon_status invoke(void *state, struct antiphon_call *call)
{
    struct mcp *mcp = state;
    char *remote = NULL;
    struct mcp_server *server = find_tool(mcp, call->tool, &remote);

    if (!server || !remote)
        reply_error(mcp->h, call, ANTIPHON_EUNAVAILABLE,
                    "its server does not have this tool any more");
    else
        answer_call(mcp, call, server, remote);
    free(remote);
    return ANTIPHON_OK;
}

static void cancel(void *state, struct antiphon_call *call)
{
    struct mcp_server *server = find_tool(state, call->tool, NULL);

    if (server)
        server_cancel(&server->server, call);
}

/* ---- tools ----------------------------------------------------------------------------------- */

static bool is_taken(const struct antiphon_tool *offers, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(offers[i].name, name))
            return true;
    }
    return false;
}

static struct antiphon_tool offer_of(const struct mcp_server *server,
                                     const struct catalog_tool *tool)
{
    return (struct antiphon_tool){.struct_size = sizeof(struct antiphon_tool),
                                  .flags = tool->flags,
                                  .timeout_ms = server->server.options.timeout_ms + 1000,
                                  .name = tool->name,
                                  .description = tool->description,
                                  .params_schema = tool->schema,
                                  .invoke = invoke,
                                  .cancel = cancel,
                                  .set = server->server.options.link.name};
}

/* All that there is, with the lock; texts are borrowed. *clash: a name that two servers want, or
 * NULL. */
static size_t list_offers(const struct mcp *mcp, struct antiphon_tool *offers, const char **clash)
{
    size_t n = 0;

    *clash = NULL;
    for (size_t i = 0; i < mcp->servers_n; i++)
        offers[n++] = (struct antiphon_tool){.struct_size = sizeof(*offers),
                                             .flags = ANTIPHON_TOOL_SET,
                                             .name = mcp->servers[i].server.options.link.name};
    for (size_t i = 0; i < mcp->servers_n; i++) {
        const struct catalog *catalog = &mcp->servers[i].catalog;
        for (size_t k = 0; k < catalog->n && n < MAX_TOOLS; k++) {
            if (is_taken(offers, n, catalog->tools[k].name))
                *clash = catalog->tools[k].name;
            else
                offers[n++] = offer_of(&mcp->servers[i], &catalog->tools[k]);
        }
    }
    if (n == MAX_TOOLS)
        mcp->h->log(mcp->h, ANTIPHON_WARN, "there are %d tools; more are left out", MAX_TOOLS);
    return n;
}

static enum antiphon_status add_offers(struct mcp *mcp, char *why, size_t size)
{
    struct antiphon_tool offers[MAX_TOOLS];
    const char *clash;
    size_t n = list_offers(mcp, offers, &clash);
    enum antiphon_status status = ANTIPHON_OK;

    if (clash) {
        (void)snprintf(why, size, "two servers have a tool %s: give one of them a prefix", clash);
        return ANTIPHON_EEXISTS;
    }
    for (size_t i = 0; i < n && !status; i++)
        status = mcp->h->add_tool(mcp->h, &offers[i]);
    if (status)
        (void)snprintf(why, size, "one of the tools cannot be offered");
    return status;
}

static enum antiphon_status set_offers(struct mcp *mcp)
{
    struct antiphon_tool offers[MAX_TOOLS];
    const struct antiphon_tool *list[MAX_TOOLS];
    const char *clash;

    pthread_mutex_lock(&mcp->lock);
    size_t n = list_offers(mcp, offers, &clash);
    if (clash)
        mcp->h->log(mcp->h, ANTIPHON_WARN, "two servers have a tool %s: one of them is left out",
                    clash);
    for (size_t i = 0; i < n; i++)
        list[i] = &offers[i];
    enum antiphon_status status = mcp->h->set_tools(mcp->h, list, n);
    pthread_mutex_unlock(&mcp->lock);
    return status;
}

/* Asks the server what it has. */
static enum antiphon_status take_list(struct mcp_server *server, char *why, size_t size)
{
    struct mcp *mcp = server->mcp;
    struct catalog catalog = {0};
    cJSON *listed = NULL;
    enum antiphon_status status = server_tools(&server->server, &listed, why, size);

    if (status)
        return status;
    status = catalog_new(mcp->h, server->settings,
                         server_is_newer(&server->server) && server->server.options.link.url,
                         listed, &catalog);
    cJSON_Delete(listed);
    if (status) {
        (void)snprintf(why, size, "out of memory");
        return status;
    }
    pthread_mutex_lock(&mcp->lock);
    struct catalog old = server->catalog;
    server->catalog = catalog;
    pthread_mutex_unlock(&mcp->lock);
    catalog_free(&old);
    return ANTIPHON_OK;
}

static void look(void *ctx);

static void look_later(struct mcp_server *server, uint32_t delay_ms)
{
    const struct antiphon_host *h = server->mcp->h;

    if (atomic_exchange(&server->awaited, true))
        return;
    if (h->timer_start(h, delay_ms, look, server, NULL)) /* the server ends, or nothing is served */
        atomic_store(&server->awaited, false);
}

/* Opens it if it is down, and offers what it has. */
static void look(void *ctx)
{
    struct mcp_server *server = ctx;
    const struct antiphon_host *h = server->mcp->h;
    const char *name = server->server.options.link.name;
    char why[MESSAGE_MAX_WHY] = "";

    atomic_store(&server->awaited, false); /* what is said from now on wants another look */
    enum antiphon_status status = take_list(server, why, sizeof(why));
    if (status)
        h->log(h, ANTIPHON_WARN, "%s: its tools cannot be listed: %s", name, why);
    else if (!(status = set_offers(server->mcp)))
        h->log(h, ANTIPHON_INFO, "%s: its tools are offered", name);
    if (status == ANTIPHON_EUNAVAILABLE || status == ANTIPHON_ETIMEOUT)
        look_later(server, server_wait_ms(&server->server, LATER_MS));
}

/* [any] Its tools have changed, or it went down. */
static void on_changed(void *ctx)
{
    look_later(ctx, SOON_MS);
}

static const cJSON *setting(const struct mcp_server *server, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(server->settings, name);
}

static enum antiphon_status start_server(struct mcp_server *server, char *why, size_t size)
{
    const struct antiphon_host *h = server->mcp->h;
    char reason[MESSAGE_MAX_WHY] = "";
    const char *name = server->server.options.link.name;
    enum antiphon_status status = take_list(server, reason, sizeof(reason));

    if (status && cJSON_IsTrue(setting(server, "optional"))) {
        h->log(h, ANTIPHON_WARN, "%s is left out until it is there: %s", name, reason);
        look_later(server, server_wait_ms(&server->server, LATER_MS));
        return ANTIPHON_OK;
    }
    if (status)
        (void)snprintf(why, size, "%s: %s", name, reason);
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
    server->mcp = mcp;
    server_init(&server->server, on_changed, server);
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
                 .heard = server_heard,
                 .down = server_down,
                 .ctx = &server->server,
                 .name = name,
                 .argv = server->argv,
                 .env = server->env,
                 .cwd = reply_text(settings, "cwd"),
                 .url = url,
                 .authorization = reply_text(settings, "authorization"),
                 .headers = cJSON_GetObjectItemCaseSensitive(settings, "headers"),
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
        catalog_free(&server->catalog);
    }
    pthread_mutex_destroy(&mcp->lock);
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
    pthread_mutex_init(&mcp->lock, NULL);
    cJSON_ArrayForEach (one, cJSON_GetObjectItemCaseSensitive(mcp->settings, "servers")) {
        if (!status)
            status = take_server(mcp, one, why, why_size);
    }
    for (size_t i = 0; !status && i < mcp->servers_n; i++)
        status = start_server(&mcp->servers[i], why, why_size);
    if (!status)
        status = add_offers(mcp, why, why_size);
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
