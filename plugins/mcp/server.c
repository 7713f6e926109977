#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_MS       3000u /* a server of the older era may say nothing to what it does not know */
#define MIN_BACKOFF_MS 1000u
#define MAX_BACKOFF_MS 60000u
#define CANCEL_MS      1000u

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const struct antiphon_host *host(const struct server *server)
{
    return server->options.link.h;
}

void server_init(struct server *server, void (*changed)(void *ctx), void *ctx)
{
    server->changed = changed;
    server->ctx = ctx;
    pthread_rwlock_init(&server->lock, NULL);
    server->next_id = 1;
}

void server_close(struct server *server)
{
    if (server->link)
        server->link->close(server->link);
    server->link = NULL;
    pthread_rwlock_destroy(&server->lock);
}

/* ---- one exchange, with the lock held -------------------------------------------------------- */

/* Takes params. */
static int64_t exchange(struct server *server, struct link_request *request, cJSON *params,
                        bool answered, struct link_reply *reply)
{
    request->id = answered ? server->next_id++ : 0;
    char *text = message_print(request->id, request->method, params,
                               server->newer ? server->version : NULL, request->call != NULL);

    *reply = (struct link_reply){0};
    request->text = text;
    request->version = *server->version ? server->version : NULL;
    if (text)
        server->link->request(server->link, request, reply);
    else
        reply->status = ANTIPHON_ENOMEM;
    cJSON_free(text);
    return request->id;
}

/* The server is told that nobody waits; whether it listens is its own affair. */
static void tell_cancelled(struct server *server, int64_t id)
{
    struct link_request request = {.method = "notifications/cancelled", .timeout_ms = CANCEL_MS};
    struct link_reply reply;
    cJSON *params = cJSON_CreateObject();

    cJSON_AddNumberToObject(params, "requestId", (double)id);
    cJSON_AddStringToObject(params, "reason", "nobody waits for the answer any more");
    (void)exchange(server, &request, params, false, &reply);
}

/* ---- opening --------------------------------------------------------------------------------- */

static bool has_newer(const cJSON *versions)
{
    const cJSON *one;

    cJSON_ArrayForEach (one, versions) {
        const char *text = cJSON_GetStringValue(one);
        if (text && !strcmp(text, MESSAGE_NEWER))
            return true;
    }
    return false;
}

/* Asks in the newer era's way. True: that is what it speaks. */
static bool probe(struct server *server)
{
    struct link_request request = {.method = "server/discover", .timeout_ms = PROBE_MS};
    struct link_reply reply;

    (void)snprintf(server->version, sizeof(server->version), "%s", MESSAGE_NEWER);
    server->newer = true;
    (void)exchange(server, &request, NULL, true, &reply);
    const cJSON *result = member(reply.message, "result");
    bool newer = has_newer(member(result, "supportedVersions"));
    if (message_is_newer_error(reply.message))
        newer = has_newer(member(member(member(reply.message, "error"), "data"), "supported"));
    cJSON_Delete(reply.message);
    server->newer = newer;
    if (!newer)
        *server->version = '\0';
    return newer;
}

static enum antiphon_status shake_hands(struct server *server, char *why, size_t size)
{
    struct link_request request = {.method = "initialize",
                                   .timeout_ms = server->options.start_timeout_ms};
    struct link_reply reply;
    char error[MESSAGE_MAX_WHY];

    (void)exchange(server, &request, message_initialize(), true, &reply);
    enum antiphon_status status = reply.status;
    const char *version =
        cJSON_GetStringValue(member(member(reply.message, "result"), "protocolVersion"));
    if (status) {
        (void)snprintf(why, size, "%s", reply.why);
    } else if (message_error(reply.message, error, sizeof(error))) {
        (void)snprintf(why, size, "it refuses: %s", error);
        status = ANTIPHON_EPROTOCOL;
    } else if (!message_is_older(version)) {
        (void)snprintf(why, size,
                       "it speaks a version of the protocol that is not known here: %.20s",
                       version ? version : "none");
        status = ANTIPHON_EPROTOCOL;
    } else {
        (void)snprintf(server->version, sizeof(server->version), "%s", version);
    }
    cJSON_Delete(reply.message);
    if (status)
        return status;
    request = (struct link_request){.method = "notifications/initialized",
                                    .timeout_ms = server->options.start_timeout_ms};
    (void)exchange(server, &request, NULL, false, &reply);
    (void)snprintf(why, size, "%s", reply.why);
    return reply.status;
}

static void let_go(struct server *server)
{
    if (!server->link)
        return;
    server->link->close(server->link);
    server->link = NULL;
    *server->version = '\0';
    server->newer = false;
}

/* Asks to be told when its tools change. */
static void listen_to(struct server *server)
{
    char *text = server->newer ? message_print(server->next_id++, "subscriptions/listen",
                                               message_listen(), server->version, false)
                               : NULL;

    server->link->listen(server->link, text);
    cJSON_free(text);
}

static enum antiphon_status open_link(struct server *server, char *why, size_t size)
{
    uint64_t now = host(server)->now_ms(host(server));
    bool again = server->was_open;

    if (now < server->again_ms) {
        (void)snprintf(why, size, "it is down, and is tried again in %u s",
                       (unsigned)((server->again_ms - now + 999) / 1000));
        return ANTIPHON_EUNAVAILABLE;
    }
    let_go(server);
    server->link = server->options.link.url ? link_http(&server->options.link, why, size)
                                            : link_stdio(&server->options.link, why, size);
    enum antiphon_status status = server->link ? ANTIPHON_OK : ANTIPHON_EUNAVAILABLE;
    if (!status && !probe(server))
        status = shake_hands(server, why, size);
    if (!status)
        listen_to(server);
    now = host(server)->now_ms(host(server));
    if (status) {
        let_go(server);
        server->backoff_ms = server->backoff_ms ? server->backoff_ms * 2 : MIN_BACKOFF_MS;
        if (server->backoff_ms > MAX_BACKOFF_MS)
            server->backoff_ms = MAX_BACKOFF_MS;
    } else {
        server->backoff_ms = 0;
        server->was_open = true;
        if (again) {
            host(server)->log(host(server), ANTIPHON_INFO, "%s is there again",
                              server->options.link.name);
            server->changed(server->ctx); /* it may be a newer one */
        }
    }
    server->again_ms = now + (status ? server->backoff_ms : MIN_BACKOFF_MS);
    return status;
}

/* The lock is held for reading afterwards, if OK. */
static enum antiphon_status enter(struct server *server, char *why, size_t size)
{
    enum antiphon_status status = ANTIPHON_OK;

    pthread_rwlock_rdlock(&server->lock);
    if (server->link && !server->link->is_down(server->link))
        return ANTIPHON_OK;
    pthread_rwlock_unlock(&server->lock);
    pthread_rwlock_wrlock(&server->lock);
    if (!server->link || server->link->is_down(server->link))
        status = open_link(server, why, size);
    pthread_rwlock_unlock(&server->lock);
    if (status)
        return status;
    pthread_rwlock_rdlock(&server->lock);
    if (server->link && !server->link->is_down(server->link))
        return ANTIPHON_OK;
    pthread_rwlock_unlock(&server->lock);
    (void)snprintf(why, size, "it went down at once");
    return ANTIPHON_EUNAVAILABLE;
}

/* ---- requests -------------------------------------------------------------------------------- */

static uint32_t timeout_of(const struct server *server, const struct antiphon_call *call)
{
    uint64_t now = host(server)->now_ms(host(server));
    uint64_t left = call && call->deadline_ms > now ? call->deadline_ms - now : 1;

    return call && left < server->options.timeout_ms ? (uint32_t)left : server->options.timeout_ms;
}

enum antiphon_status server_request(struct server *server, struct antiphon_call *call,
                                    const char *method, const char *name, cJSON *params,
                                    cJSON **result, char *why, size_t size)
{
    struct link_request request = {.call = call, .method = method, .name = name};
    struct link_reply reply;
    enum antiphon_status status = enter(server, why, size);

    *result = NULL;
    if (status) {
        cJSON_Delete(params);
        return status;
    }
    request.timeout_ms = timeout_of(server, call);
    int64_t id = exchange(server, &request, params, true, &reply);
    if (reply.status == ANTIPHON_ECANCELLED || reply.status == ANTIPHON_ETIMEOUT)
        tell_cancelled(server, id);
    pthread_rwlock_unlock(&server->lock);
    status = reply.status;
    (void)snprintf(why, size, "%s", reply.why);
    if (!status && message_error(reply.message, why, size))
        status = ANTIPHON_EINVAL;
    if (!status) {
        *result = cJSON_DetachItemFromObjectCaseSensitive(reply.message, "result");
        if (!*result) {
            (void)snprintf(why, size, "its answer has no result");
            status = ANTIPHON_EPROTOCOL;
        }
    }
    cJSON_Delete(reply.message);
    return status;
}

enum antiphon_status server_tools(struct server *server, cJSON **tools, char *why, size_t size)
{
    cJSON *all = cJSON_CreateArray(), *page = NULL;
    enum antiphon_status status = ANTIPHON_OK;
    char *cursor = NULL;

    do {
        cJSON *params = cJSON_CreateObject(), *tool;
        if (cursor)
            cJSON_AddStringToObject(params, "cursor", cursor);
        free(cursor);
        cursor = NULL;
        status = server_request(server, NULL, "tools/list", NULL, params, &page, why, size);
        cJSON *list = cJSON_DetachItemFromObjectCaseSensitive(page, "tools");
        while ((tool = cJSON_DetachItemFromArray(list, 0)))
            cJSON_AddItemToArray(all, tool);
        const char *next = cJSON_GetStringValue(member(page, "nextCursor"));
        cursor = next ? strdup(next) : NULL;
        cJSON_Delete(list);
        cJSON_Delete(page);
        page = NULL;
    } while (!status && cursor && cJSON_GetArraySize(all) < SERVER_MAX_TOOLS);
    free(cursor);
    if (status)
        cJSON_Delete(all);
    else
        *tools = all;
    return status;
}

void server_cancel(struct server *server, const struct antiphon_call *call)
{
    /* Who opens it looks at the cancelled call when it is done. */
    if (pthread_rwlock_tryrdlock(&server->lock) != 0)
        return;
    if (server->link)
        server->link->cancel(server->link, call);
    pthread_rwlock_unlock(&server->lock);
}

void server_heard(void *ctx, const cJSON *message)
{
    const struct server *server = ctx;
    const char *method = cJSON_GetStringValue(member(message, "method"));

    if (!message || (method && !strcmp(method, "notifications/tools/list_changed")))
        server->changed(server->ctx);
}

void server_down(void *ctx)
{
    const struct server *server = ctx;

    server->changed(server->ctx);
}

bool server_is_newer(struct server *server)
{
    pthread_rwlock_rdlock(&server->lock);
    bool newer = server->newer;
    pthread_rwlock_unlock(&server->lock);
    return newer;
}

uint32_t server_wait_ms(struct server *server, uint32_t least_ms)
{
    uint64_t now = host(server)->now_ms(host(server));

    pthread_rwlock_rdlock(&server->lock);
    uint64_t left = server->again_ms > now ? server->again_ms - now : 0;
    pthread_rwlock_unlock(&server->lock);
    return left > least_ms ? (uint32_t)left : least_ms;
}
