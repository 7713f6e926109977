/* home - a house with Home Assistant: what there is, how it is, and switching it. Facts about the
 * REST API: developers.home-assistant.io, "REST API": GET /api/states, GET /api/states/ID, POST
 * /api/services/DOMAIN/SERVICE. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/reply.h"
#include "antiphon/plugin.h"

/* clang-format off */
ANTIPHON_MANIFEST({
    "name": "home",
    "version": "1.0.0",
    "description": "A house with Home Assistant: look and switch.",
    "licence": "Apache-2.0",
    "tools": [{
        "name": "home_list",
        "description": "Lists the devices of the house with their state: id, name, state. Use it to find the id of a device.",
        "parameters": {
            "type": "object",
            "properties": {
                "domain": {"type": "string", "maxLength": 64, "description": "Only of this kind, such as light, switch, climate, lock, sensor."},
                "search": {"type": "string", "maxLength": 100, "description": "Only those whose id or name holds this text."}
            }
        },
        "flags": ["read_only"]
    }, {
        "name": "home_state",
        "description": "Tells everything about one device: its state and its attributes, such as brightness or temperature.",
        "parameters": {
            "type": "object",
            "properties": {"entity_id": {"type": "string", "minLength": 3, "maxLength": 255, "description": "The id, such as light.kitchen."}},
            "required": ["entity_id"]
        },
        "flags": ["read_only"]
    }, {
        "name": "home_call",
        "description": "Does something with one device: calls a service of its domain, such as turn_on, turn_off, toggle, set_temperature, lock, unlock, open_cover. Locks and alarms ask the user first.",
        "parameters": {
            "type": "object",
            "properties": {
                "entity_id": {"type": "string", "minLength": 3, "maxLength": 255, "description": "The id, such as light.kitchen."},
                "service": {"type": "string", "minLength": 1, "maxLength": 64, "description": "The name of the service without the domain, such as turn_on."},
                "data": {"type": "object", "additionalProperties": true, "description": "What the service takes, such as brightness_pct or temperature."}
            },
            "required": ["entity_id", "service"]
        }
    }],
    "config": {
        "type": "object",
        "properties": {
            "url": {"type": "string", "minLength": 8, "x-env": ["HOME_ASSISTANT_URL"], "description": "The address of Home Assistant, such as http://homeassistant.local:8123."},
            "token": {"type": "string", "minLength": 1, "writeOnly": true, "x-host-only": true, "x-env": ["HOME_ASSISTANT_TOKEN"], "description": "A long-lived access token, made on the profile page of Home Assistant."},
            "confirm": {"type": "array", "items": {"type": "string"}, "maxItems": 64, "description": "Domains whose services ask the user first; lock, alarm_control_panel, cover, valve and siren if absent."},
            "timeout_ms": {"type": "integer", "minimum": 100, "maximum": 60000, "default": 10000},
            "max_devices": {"type": "integer", "minimum": 1, "maximum": 500, "default": 100, "description": "Devices in one list."}
        },
        "required": ["url", "token"]
    },
    "permissions": {"http": true, "private": true}
});
/* clang-format on */

#define MAX_URL  1024
#define MAX_BODY (4u << 20)

struct home {
    const struct antiphon_host *h; /* borrowed */
    cJSON *settings;               /* owned */
    char *url, *authorization;     /* owned; no slash at the end; with {{secret:token}} in it */
    uint32_t timeout_ms;
    int64_t max_devices;
};

struct answer {
    enum antiphon_status status;
    int http_status;
    cJSON *json; /* owned */
    char why[200];
};

/* ---- requests -------------------------------------------------------------------------------- */

static void on_answer(void *ctx, const struct antiphon_http_response *response)
{
    struct answer *answer = ctx;

    answer->status = (enum antiphon_status)response->status;
    answer->http_status = response->http_status;
    (void)snprintf(answer->why, sizeof(answer->why), "%s",
                   response->error ? response->error : "no connection");
    if (answer->status == ANTIPHON_OK)
        answer->json = cJSON_ParseWithLength(response->body, response->body_len);
}

/* body is JSON or NULL. On failure the call has been finished. */
static bool ask(const struct home *home, struct antiphon_call *call, const char *path,
                const char *body, struct answer *answer)
{
    char url[MAX_URL];
    const char *const headers[] = {"Authorization", home->authorization, "Content-Type",
                                   "application/json", NULL};
    struct antiphon_http_request request = {
        .struct_size = sizeof(request),
        .timeout_ms = home->timeout_ms,
        .max_body = MAX_BODY,
        .flags = ANTIPHON_HTTP_ALLOW_PRIVATE | ANTIPHON_HTTP_NO_REDIRECT,
        .method = body ? "POST" : "GET",
        .url = url,
        .headers = headers,
        .body = body,
        .body_len = body ? strlen(body) : 0,
    };

    *answer = (struct answer){0};
    (void)snprintf(url, sizeof(url), "%s/api/%s", home->url, path);
    enum antiphon_status status = home->h->http_wait(home->h, call, &request, on_answer, answer);
    if (!status)
        status = answer->status;
    if (status)
        reply_error(home->h, call, status, "Home Assistant cannot be reached: %s", answer->why);
    else if (answer->http_status == 401 || answer->http_status == 403)
        reply_error(home->h, call, ANTIPHON_EDENIED,
                    "Home Assistant does not accept the access token");
    else if (answer->http_status == 404)
        reply_error(home->h, call, ANTIPHON_ENOTFOUND,
                    "there is no such device; home_list tells which there are");
    else if (answer->http_status == 400)
        reply_error(home->h, call, ANTIPHON_EINVAL,
                    "Home Assistant has no such service, or it does not take that data");
    else if (answer->http_status != 200 && answer->http_status != 201)
        reply_error(home->h, call, ANTIPHON_EUNAVAILABLE,
                    "Home Assistant answered with HTTP status %d", answer->http_status);
    else if (!answer->json)
        reply_error(home->h, call, ANTIPHON_EPROTOCOL,
                    "Home Assistant answered with something that is not JSON");
    else
        return true;
    cJSON_Delete(answer->json);
    answer->json = NULL;
    return false;
}

/* domain.object, in the letters that ids have; it goes into a path. */
static bool is_entity(const char *id)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    size_t domain = id ? strspn(id, letters) : 0;

    return domain > 0 && id[domain] == '.' && id[domain + 1] &&
           strspn(id + domain + 1, letters) == strlen(id + domain + 1);
}

static bool is_word(const char *text)
{
    return *text && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(text);
}

/* ---- looking --------------------------------------------------------------------------------- */

static const char *name_of(const cJSON *entity)
{
    const char *name =
        reply_text(cJSON_GetObjectItemCaseSensitive(entity, "attributes"), "friendly_name");

    return name ? name : "";
}

static bool is_listed(const cJSON *entity, const char *domain, const char *search)
{
    const char *id = reply_text(entity, "entity_id");

    if (!id || !reply_text(entity, "state"))
        return false;
    if (domain && *domain &&
        (strncmp(id, domain, strlen(domain)) != 0 || id[strlen(domain)] != '.'))
        return false;
    return !search || !*search || strcasestr(id, search) || strcasestr(name_of(entity), search);
}

static enum antiphon_status list(void *state, struct antiphon_call *call)
{
    const struct home *home = state;
    struct answer answer;
    const cJSON *entity;
    int64_t n = 0;
    cJSON *args = reply_args(home->h, call);

    if (!args)
        return ANTIPHON_OK;
    if (!ask(home, call, "states", NULL, &answer)) {
        cJSON_Delete(args);
        return ANTIPHON_OK;
    }
    cJSON *made = cJSON_CreateObject(), *devices = cJSON_AddArrayToObject(made, "devices");
    cJSON_ArrayForEach (entity, answer.json) {
        if (!is_listed(entity, reply_text(args, "domain"), reply_text(args, "search")) ||
            n++ >= home->max_devices)
            continue;
        cJSON *device = cJSON_CreateObject();
        cJSON_AddStringToObject(device, "entity_id", reply_text(entity, "entity_id"));
        if (*name_of(entity))
            cJSON_AddStringToObject(device, "name", name_of(entity));
        cJSON_AddStringToObject(device, "state", reply_text(entity, "state"));
        cJSON_AddItemToArray(devices, device);
    }
    if (n > home->max_devices)
        cJSON_AddNumberToObject(made, "left_out", (double)(n - home->max_devices));
    cJSON_Delete(answer.json);
    cJSON_Delete(args);
    reply_json(home->h, call, made);
    return ANTIPHON_OK;
}

/* The state of one device; on failure the call has been finished. */
static bool look(const struct home *home, struct antiphon_call *call, const char *id,
                 struct answer *answer)
{
    char path[300];

    (void)snprintf(path, sizeof(path), "states/%s", id);
    return ask(home, call, path, NULL, answer);
}

static enum antiphon_status show(void *state, struct antiphon_call *call)
{
    const struct home *home = state;
    struct answer answer;
    cJSON *args = reply_args(home->h, call);
    const char *id = reply_text(args, "entity_id");

    if (!args)
        return ANTIPHON_OK;
    if (!is_entity(id)) {
        reply_error(home->h, call, ANTIPHON_EINVAL,
                    "entity_id is like light.kitchen; home_list tells which there are");
    } else if (look(home, call, id, &answer)) {
        cJSON_DeleteItemFromObjectCaseSensitive(answer.json, "context");
        reply_json(home->h, call, answer.json);
    }
    cJSON_Delete(args);
    return ANTIPHON_OK;
}

/* ---- switching ------------------------------------------------------------------------------- */

static bool asks_first(const struct home *home, const char *domain)
{
    static const char *const usual[] = {"lock", "alarm_control_panel", "cover", "valve", "siren"};
    const cJSON *said = cJSON_GetObjectItemCaseSensitive(home->settings, "confirm"), *one;
    bool found = false;

    cJSON_ArrayForEach (one, said) {
        found = found || (cJSON_IsString(one) && !strcmp(one->valuestring, domain));
    }
    for (size_t i = 0; !said && i < sizeof(usual) / sizeof(usual[0]); i++)
        found = found || !strcmp(usual[i], domain);
    return found;
}

static bool call_service(const struct home *home, struct antiphon_call *call, const char *domain,
                         const char *service, const char *id, const cJSON *data,
                         struct answer *answer)
{
    char path[200];
    cJSON *body = cJSON_IsObject(data) ? cJSON_Duplicate(data, true) : cJSON_CreateObject();

    /* Only the device that was named, whatever else stands in data. */
    cJSON_DeleteItemFromObjectCaseSensitive(body, "entity_id");
    cJSON_DeleteItemFromObjectCaseSensitive(body, "area_id");
    cJSON_DeleteItemFromObjectCaseSensitive(body, "device_id");
    cJSON_DeleteItemFromObjectCaseSensitive(body, "floor_id");
    cJSON_DeleteItemFromObjectCaseSensitive(body, "label_id");
    cJSON_AddStringToObject(body, "entity_id", id);
    char *text = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    (void)snprintf(path, sizeof(path), "services/%s/%s", domain, service);
    bool asked = text && ask(home, call, path, text, answer);
    if (!text)
        reply_error(home->h, call, ANTIPHON_ENOMEM, "there was not enough memory for this");
    cJSON_free(text);
    return asked;
}

/* What is on or off can be put back: the state before goes into the receipt. False: do not go on,
 * the call has been finished. */
static bool leave_receipt(const struct home *home, struct antiphon_call *call, const char *domain,
                          const char *id)
{
    static const char *const can[] = {"switch", "light", "fan", "input_boolean"};
    struct answer before;
    char receipt[400];
    bool can_undo = false;

    for (size_t i = 0; i < sizeof(can) / sizeof(can[0]); i++)
        can_undo = can_undo || !strcmp(can[i], domain);
    if (!can_undo)
        return true;
    if (!look(home, call, id, &before))
        return false;
    const char *was = reply_text(before.json, "state");
    bool known = was && (!strcmp(was, "on") || !strcmp(was, "off"));
    int len = snprintf(receipt, sizeof(receipt), "{\"entity_id\":\"%s\",\"state\":\"%s\"}", id,
                       known ? was : "");
    cJSON_Delete(before.json);
    if (known && home->h->receipt(home->h, call, receipt, (size_t)len) == ANTIPHON_ECANCELLED) {
        reply_error(home->h, call, ANTIPHON_ECANCELLED, "the call was cancelled");
        return false;
    }
    return true;
}

static void switch_it(const struct home *home, struct antiphon_call *call, const char *id,
                      const char *service, const cJSON *data)
{
    char domain[64], question[400];
    struct answer answer;

    (void)snprintf(domain, sizeof(domain), "%.*s", (int)strcspn(id, "."), id);
    if (asks_first(home, domain) && !(call->flags & ANTIPHON_CALL_CONFIRMED)) {
        int len = snprintf(question, sizeof(question), "Shall %s be done with %s?", service, id);
        home->h->finish(home->h, call, ANTIPHON_ECONFIRM, question, (size_t)len);
        return;
    }
    if (!leave_receipt(home, call, domain, id) ||
        !call_service(home, call, domain, service, id, data, &answer))
        return;
    cJSON *made = cJSON_CreateObject();
    const cJSON *entity;
    cJSON_AddTrueToObject(made, "done");
    cJSON_ArrayForEach (entity, answer.json) {
        const char *changed = reply_text(entity, "entity_id"), *now = reply_text(entity, "state");
        if (changed && now && !strcmp(changed, id))
            cJSON_AddStringToObject(made, "state", now);
    }
    cJSON_Delete(answer.json);
    reply_json(home->h, call, made);
}

static enum antiphon_status act(void *state, struct antiphon_call *call)
{
    const struct home *home = state;
    cJSON *args = reply_args(home->h, call);
    const char *id = reply_text(args, "entity_id"), *service = reply_text(args, "service");

    if (!args)
        return ANTIPHON_OK;
    if (!is_entity(id))
        reply_error(home->h, call, ANTIPHON_EINVAL,
                    "entity_id is like light.kitchen; home_list tells which there are");
    else if (!is_word(service))
        reply_error(home->h, call, ANTIPHON_EINVAL,
                    "service is one word without the domain, such as turn_on");
    else
        switch_it(home, call, id, service, cJSON_GetObjectItemCaseSensitive(args, "data"));
    cJSON_Delete(args);
    return ANTIPHON_OK;
}

static enum antiphon_status undo(void *state, struct antiphon_call *call)
{
    const struct home *home = state;
    struct answer answer;
    char domain[64];
    cJSON *receipt = reply_args(home->h, call);
    const char *id = reply_text(receipt, "entity_id"), *was = reply_text(receipt, "state");

    if (!receipt)
        return ANTIPHON_OK;
    if (!is_entity(id) || !was) {
        cJSON_Delete(receipt);
        return ANTIPHON_EINVAL;
    }
    (void)snprintf(domain, sizeof(domain), "%.*s", (int)strcspn(id, "."), id);
    if (call_service(home, call, domain, strcmp(was, "on") ? "turn_off" : "turn_on", id, NULL,
                     &answer)) {
        cJSON *made = cJSON_CreateObject();
        cJSON_AddStringToObject(made, "state", was);
        cJSON_Delete(answer.json);
        reply_json(home->h, call, made);
    }
    cJSON_Delete(receipt);
    return ANTIPHON_OK;
}

/* ---- the plugin ------------------------------------------------------------------------------ */

static const struct antiphon_tool tools[] = {
    {.struct_size = sizeof(struct antiphon_tool), .name = "home_list", .invoke = list},
    {.struct_size = sizeof(struct antiphon_tool), .name = "home_state", .invoke = show},
    {.struct_size = sizeof(struct antiphon_tool), .name = "home_call", .invoke = act, .undo = undo},
};

static void shut_down(void *state)
{
    struct home *home = state;

    cJSON_Delete(home->settings);
    free(home->url);
    free(home->authorization);
    free(home);
}

static enum antiphon_status configure(struct home *home, char *why, size_t why_size)
{
    const char *url = reply_text(home->settings, "url"),
               *token = reply_text(home->settings, "token");

    if (!url || !token || (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) ||
        strlen(url) > MAX_URL / 2) {
        (void)snprintf(why, why_size,
                       "url (http://... or https://...) and token of Home Assistant are needed");
        return ANTIPHON_EINVAL;
    }
    size_t size = strlen(token) + sizeof("Bearer ");
    home->url = strdup(url);
    home->authorization = malloc(size);
    if (!home->url || !home->authorization) {
        (void)snprintf(why, why_size, "out of memory");
        return ANTIPHON_ENOMEM;
    }
    (void)snprintf(home->authorization, size, "Bearer %s", token);
    for (size_t len = strlen(home->url); len > 0 && home->url[len - 1] == '/'; len--)
        home->url[len - 1] = '\0';
    home->timeout_ms = (uint32_t)reply_integer(home->settings, "timeout_ms", 10000);
    home->max_devices = reply_integer(home->settings, "max_devices", 100);
    return ANTIPHON_OK;
}

static enum antiphon_status init(const struct antiphon_host *h, const char *config, void **state,
                                 char *why, size_t why_size)
{
    struct home *home = calloc(1, sizeof(*home));
    enum antiphon_status status;

    if (!home) {
        (void)snprintf(why, why_size, "out of memory");
        return ANTIPHON_ENOMEM;
    }
    home->h = h;
    home->settings = cJSON_Parse(config);
    status = configure(home, why, why_size);
    for (size_t i = 0; !status && i < sizeof(tools) / sizeof(tools[0]); i++)
        status = h->add_tool(h, &tools[i]);
    if (status)
        shut_down(home);
    else
        *state = home;
    return status;
}

static const struct antiphon_plugin plugin = {
    .struct_size = sizeof(plugin),
    .name = "home",
    .version = "1.0.0",
    .init = init,
    .shutdown = shut_down,
};

const struct antiphon_plugin *antiphon_plugin_v1(void)
{
    return &plugin;
}
