/* http - link to a server over streamable HTTP: every message is a POST; an answer is JSON, or the
 * end of a stream of events. The stream is read when it is over, so progress is not told and a
 * server that asks back during a call gets no answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <pthread.h>

#include "link.h"

#define MAX_BODY    (4u << 20)
#define MAX_SESSION 256

struct http_link {
    struct link link;
    struct link_options options;
    pthread_mutex_t lock;
    char session[MAX_SESSION]; /* under lock; Mcp-Session-Id, "" until the server gives one */
    bool lost;                 /* under lock; the server does not know the session any more */
};

struct exchange {
    struct http_link *http;
    const struct link_request *request;
    struct link_reply *reply;
};

/* Copies the value of a header; "" if there is none. */
static void header(const char *lines, const char *name, char *value, size_t size)
{
    size_t len = strlen(name);

    *value = '\0';
    for (const char *at = lines; at && *at; at += strcspn(at, "\n"), at += *at == '\n') {
        if (strncasecmp(at, name, len) != 0 || at[len] != ':')
            continue;
        at += len + 1;
        at += strspn(at, " \t");
        (void)snprintf(value, size, "%.*s", (int)strcspn(at, "\r\n"), at);
    }
}

static void on_other(void *ctx, const cJSON *message)
{
    const struct http_link *http = ctx;

    link_heard(&http->options, message);
}

static void on_answer(void *ctx, const struct antiphon_http_response *response)
{
    struct exchange *exchange = ctx;
    struct link_reply *reply = exchange->reply;
    struct http_link *http = exchange->http;
    char type[64], session[MAX_SESSION];

    reply->status = (enum antiphon_status)response->status;
    reply->http_status = response->http_status;
    if (reply->status != ANTIPHON_OK) {
        (void)snprintf(reply->why, sizeof(reply->why), "%s",
                       response->error ? response->error : "no connection");
        return;
    }
    header(response->headers, "content-type", type, sizeof(type));
    header(response->headers, "mcp-session-id", session, sizeof(session));
    pthread_mutex_lock(&http->lock);
    if (*session && !strcmp(exchange->request->method, "initialize"))
        (void)snprintf(http->session, sizeof(http->session), "%s", session);
    if (response->http_status == 404 && *http->session)
        http->lost = true;
    pthread_mutex_unlock(&http->lock);
    if (!exchange->request->id)
        return;
    reply->message = message_find(response->body, response->body_len,
                                  !strncasecmp(type, "text/event-stream", 17),
                                  exchange->request->id, on_other, http);
    if (!reply->message) {
        reply->status = ANTIPHON_EPROTOCOL;
        (void)snprintf(reply->why, sizeof(reply->why), "HTTP status %d without an answer to %s",
                       response->http_status, exchange->request->method);
    }
}

static void request(struct link *link, const struct link_request *asked, struct link_reply *reply)
{
    struct http_link *http = (struct http_link *)link;
    const struct antiphon_host *h = http->options.h;
    struct exchange exchange = {http, asked, reply};
    char session[MAX_SESSION];
    const char *headers[20] = {"Content-Type", "application/json", "Accept",
                               "application/json, text/event-stream"};
    size_t n = 4;

    pthread_mutex_lock(&http->lock);
    memcpy(session, http->session, sizeof(session));
    pthread_mutex_unlock(&http->lock);
    const char *const pairs[][2] = {
        {"Authorization", http->options.authorization},
        {"Mcp-Session-Id", *session ? session : NULL},
        {"MCP-Protocol-Version", asked->version},
        {"Mcp-Method", asked->version && !message_is_older(asked->version) ? asked->method : NULL},
        {"Mcp-Name", asked->version && !message_is_older(asked->version) ? asked->name : NULL},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (!pairs[i][1] || !*pairs[i][1])
            continue;
        headers[n++] = pairs[i][0];
        headers[n++] = pairs[i][1];
    }
    struct antiphon_http_request post = {
        .struct_size = sizeof(post),
        .timeout_ms = asked->timeout_ms,
        .max_body = MAX_BODY,
        .flags = ANTIPHON_HTTP_NO_REDIRECT |
                 (http->options.allow_private ? ANTIPHON_HTTP_ALLOW_PRIVATE : 0),
        .method = "POST",
        .url = http->options.url,
        .headers = headers,
        .body = asked->text,
        .body_len = strlen(asked->text),
    };
    *reply = (struct link_reply){0};
    enum antiphon_status status = h->http_wait(h, asked->call, &post, on_answer, &exchange);
    if (status) {
        reply->status = status;
        (void)snprintf(reply->why, sizeof(reply->why), "the request was refused by the host");
    }
}

/* http_wait() notices by itself. */
static void cancel(struct link *link, const struct antiphon_call *call)
{
    (void)link, (void)call;
}

static bool is_down(struct link *link)
{
    struct http_link *http = (struct http_link *)link;

    pthread_mutex_lock(&http->lock);
    bool lost = http->lost;
    pthread_mutex_unlock(&http->lock);
    return lost;
}

static void on_end(void *ctx, const struct antiphon_http_response *response)
{
    (void)ctx, (void)response;
}

/* The server may forget the session; whether it does is its own affair. */
static void end_session(struct http_link *http)
{
    const char *const headers[] = {"Mcp-Session-Id",
                                   http->session,
                                   "MCP-Protocol-Version",
                                   MESSAGE_OLDER,
                                   http->options.authorization ? "Authorization" : NULL,
                                   http->options.authorization,
                                   NULL};
    struct antiphon_http_request request = {
        .struct_size = sizeof(request),
        .timeout_ms = 1000,
        .flags = http->options.allow_private ? ANTIPHON_HTTP_ALLOW_PRIVATE : 0,
        .method = "DELETE",
        .url = http->options.url,
        .headers = headers,
    };

    (void)http->options.h->http_wait(http->options.h, NULL, &request, on_end, NULL);
}

static void close_link(struct link *link)
{
    struct http_link *http = (struct http_link *)link;

    if (*http->session && !http->lost)
        end_session(http);
    pthread_mutex_destroy(&http->lock);
    free(http);
}

struct link *link_http(const struct link_options *options, char *why, size_t size)
{
    struct http_link *http = calloc(1, sizeof(*http));

    if (!http) {
        (void)snprintf(why, size, "out of memory");
        return NULL;
    }
    http->link = (struct link){request, cancel, is_down, close_link};
    http->options = *options;
    pthread_mutex_init(&http->lock, NULL);
    return &http->link;
}
