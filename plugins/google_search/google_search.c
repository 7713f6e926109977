/* google_search - web search with Google. Where the model can search by itself, this plugin only
 * says under which name agents ask for it and what to write into the setup. Elsewhere it is a
 * function, which asks another model that can. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../common/reply.h"
#include "antiphon/plugin.h"
#include "grounded.h"

/* clang-format off */
ANTIPHON_MANIFEST({
    "name": "google_search",
    "version": "1.0.0",
    "description": "Lets the model search the web with Google.",
    "licence": "Apache-2.0",
    "tools": [{
        "name": "google_search",
        "description": "Searches the web with Google and answers a question from what it finds, with the sources. Use it for everything that is recent, local or that you are not sure of.",
        "parameters": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "minLength": 1, "maxLength": 2000, "description": "The question, complete in itself, in the language of the user."}
            },
            "required": ["query"]
        },
        "flags": ["read_only", "native"]
    }],
    "config": {
        "type": "object",
        "properties": {
            "mode": {"type": "string", "enum": ["auto", "native", "function"], "default": "auto", "description": "auto: the model's own search where it has one, else a function if there is a key. native: never a function. function: always one."},
            "api_key": {"type": "string", "writeOnly": true, "x-host-only": true, "x-env": ["GOOGLE_API_KEY", "GEMINI_API_KEY"], "description": "Key for the function's requests."},
            "vertex": {"anyOf": [{"type": "boolean"}, {"type": "string"}], "x-env": ["GOOGLE_GENAI_USE_ENTERPRISE", "GOOGLE_GENAI_USE_VERTEXAI"], "description": "Ask Vertex AI (express mode: the key is one of Vertex AI)."},
            "model": {"type": "string", "minLength": 1, "maxLength": 100, "default": "gemini-2.5-flash", "description": "The model that searches for the function."},
            "timeout_ms": {"type": "integer", "minimum": 1000, "maximum": 120000, "default": 20000, "description": "How long the function waits for an answer."},
            "base_url": {"type": "string", "x-env": ["GOOGLE_GEMINI_BASE_URL"], "description": "Another server in place of the Developer API."},
            "vertex_base_url": {"type": "string", "x-env": ["GOOGLE_VERTEX_BASE_URL"], "description": "The same for Vertex AI."}
        }
    },
    "permissions": {"http": true, "private": true}
});
/* clang-format on */

#define MAX_BODY_BYTES (512u * 1024)

struct search {
    const struct antiphon_host *h; /* borrowed */
    char *url, *key;               /* owned; key is what stands for it, {{secret:api_key}} */
    uint32_t timeout_ms, flags;
};

/* One answer on its way to the call. */
struct asked {
    struct search *search;
    struct antiphon_call *call;
};

static void publish(const struct search *search, struct antiphon_call *call, cJSON *grounding)
{
    char *text = grounding ? cJSON_PrintUnformatted(grounding) : NULL;

    if (text && ANTIPHON_HAS(search->h, publish))
        (void)search->h->publish(search->h, call, "grounding", text, strlen(text));
    cJSON_free(text);
}

static void on_answer(void *ctx, const struct antiphon_http_response *response)
{
    const struct asked *asked = ctx;
    const struct antiphon_host *h = asked->search->h;
    char why[300] = "";
    cJSON *answer = NULL, *grounding = NULL;

    if (response->status != ANTIPHON_OK) {
        reply_error(h, asked->call, (enum antiphon_status)response->status,
                    "the search cannot be reached: %s",
                    response->error ? response->error : "no connection");
        return;
    }
    if (response->http_status != 200) {
        grounded_error(response->body, response->body_len, why, sizeof(why));
        reply_error(h, asked->call,
                    response->http_status == 429 ? ANTIPHON_EBUSY : ANTIPHON_EUNAVAILABLE,
                    "the search failed with HTTP status %d%s%s", response->http_status,
                    *why ? ": " : "", why);
        return;
    }
    enum antiphon_status status =
        grounded_read(response->body, response->body_len, &answer, &grounding, why, sizeof(why));
    if (status) {
        reply_error(h, asked->call, status, "%s", why);
        return;
    }
    publish(asked->search, asked->call, grounding);
    cJSON_Delete(grounding);
    reply_json(h, asked->call, answer);
}

static enum antiphon_status invoke(void *state, struct antiphon_call *call)
{
    struct search *search = state;
    struct asked asked = {search, call};
    const char *const headers[] = {"Content-Type", "application/json", "x-goog-api-key",
                                   search->key, NULL};
    cJSON *args = reply_args(search->h, call);

    if (!args)
        return ANTIPHON_OK;
    char *body = grounded_request(reply_text(args, "query"));
    cJSON_Delete(args);
    if (!body)
        return ANTIPHON_ENOMEM;
    struct antiphon_http_request request = {
        .struct_size = sizeof(request),
        .timeout_ms = search->timeout_ms,
        .max_body = MAX_BODY_BYTES,
        .flags = search->flags,
        .method = "POST",
        .url = search->url,
        .headers = headers,
        .body = body,
        .body_len = strlen(body),
    };
    enum antiphon_status status =
        search->h->http_wait(search->h, call, &request, on_answer, &asked);
    cJSON_free(body);
    return status;
}

static void shut_down(void *state)
{
    struct search *search = state;

    free(search->url);
    free(search->key);
    free(search);
}

static bool is_on(const cJSON *item)
{
    const char *text = cJSON_GetStringValue(item);

    return cJSON_IsTrue(item) || (text && (!strcmp(text, "1") || !strcasecmp(text, "true")));
}

static enum antiphon_status configure(struct search *search, const cJSON *settings, char *why,
                                      size_t why_size)
{
    bool vertex = is_on(cJSON_GetObjectItemCaseSensitive(settings, "vertex"));
    const char *base = reply_text(settings, vertex ? "vertex_base_url" : "base_url");
    const char *model = reply_text(settings, "model"), *key = reply_text(settings, "api_key");

    search->timeout_ms = (uint32_t)reply_integer(settings, "timeout_ms", 20000);
    search->flags = base && *base ? ANTIPHON_HTTP_ALLOW_PRIVATE : 0;
    search->url = grounded_url(base, vertex, model ? model : "gemini-2.5-flash");
    if (!search->url) {
        (void)snprintf(why, why_size, "model: '%s' is not the id of a model", model ? model : "");
        return ANTIPHON_EINVAL;
    }
    search->key = key && *key ? strdup(key) : NULL;
    return ANTIPHON_OK;
}

/* The key may be one of the live model's only, or none at all: then the function is not offered. */
static struct antiphon_tool tool_of(const struct search *search, const char *mode)
{
    struct antiphon_tool tool = {.struct_size = sizeof(tool), .name = "google_search"};

    if (strcmp(mode, "function") != 0) {
        tool.native_feature = "google_search";
        tool.native_fragment = "{\"googleSearch\":{}}";
    }
    if (search->key && strcmp(mode, "native") != 0) {
        tool.invoke = invoke;
        tool.timeout_ms = search->timeout_ms + 1000;
    }
    return tool;
}

static enum antiphon_status init(const struct antiphon_host *h, const char *config, void **state,
                                 char *why, size_t why_size)
{
    struct search *search = calloc(1, sizeof(*search));
    cJSON *settings = cJSON_Parse(config);
    const char *mode = reply_text(settings, "mode");
    enum antiphon_status status = ANTIPHON_ENOMEM;

    if (!search || !settings) {
        (void)snprintf(why, why_size, "out of memory");
        goto out;
    }
    search->h = h;
    status = configure(search, settings, why, why_size);
    if (status)
        goto out;
    struct antiphon_tool tool = tool_of(search, mode ? mode : "auto");
    if (!tool.invoke && !tool.native_feature) {
        (void)snprintf(why, why_size,
                       "mode is \"function\", which needs api_key (or GOOGLE_API_KEY)");
        status = ANTIPHON_EINVAL;
        goto out;
    }
    status = h->add_tool(h, &tool);
out:
    if (status == ANTIPHON_OK)
        *state = search;
    else if (search)
        shut_down(search);
    cJSON_Delete(settings);
    return status;
}

static const struct antiphon_plugin plugin = {
    .struct_size = sizeof(plugin),
    .name = "google_search",
    .version = "1.0.0",
    .init = init,
    .shutdown = shut_down,
};

const struct antiphon_plugin *antiphon_plugin_v1(void)
{
    return &plugin;
}
