/* http - link to a server over streamable HTTP: every message is a POST; an answer is JSON, or
 * comes in a stream of events. A stream that breaks off before the answer is taken up again with
 * Last-Event-ID, if its events have ids. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "events.h"
#include "http_impl.h"

#define MAX_BODY  (4u << 20)
#define ANSWER_MS 5000u /* to take an answer of ours */
#define RETRY_MS  500u  /* until a broken stream is taken up, unless the server says */
#define MAX_RETRY 5000u
#define STEP_MS   20u /* how soon a pause notices that its call was cancelled */

enum form { FORM_UNKNOWN, FORM_JSON, FORM_EVENTS };

/* One request. [http thread] from its being sent to its end. */
struct exchange {
    struct http_link *http;
    const struct link_request *request;
    struct link_reply *reply;
    enum form form;
    struct events events;
    char *body; /* owned */
    size_t len;
};

/* ---- headers --------------------------------------------------------------------------------- */

void http_value(const char *lines, const char *name, char *value, size_t size)
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

uint32_t http_flags(const struct http_link *http)
{
    return ANTIPHON_HTTP_NO_REDIRECT |
           (http->options.allow_private ? ANTIPHON_HTTP_ALLOW_PRIVATE : 0);
}

void http_head(struct http_link *http, struct http_head *head, const char *method, const char *name,
               const char *last_id)
{
    const cJSON *more;
    size_t n = 0;

    pthread_mutex_lock(&http->lock);
    memcpy(head->session, http->session, sizeof(head->session));
    memcpy(head->version, http->version, sizeof(head->version));
    pthread_mutex_unlock(&http->lock);
    bool newer = *head->version && !message_is_older(head->version);
    const char *const pairs[][2] = {
        {"Content-Type", "application/json"},
        {"Accept", method ? "application/json, text/event-stream" : "text/event-stream"},
        {"Authorization", http->options.authorization},
        {"Mcp-Session-Id", head->session},
        {"MCP-Protocol-Version", head->version},
        {"Mcp-Method", newer ? method : NULL},
        {"Mcp-Name", newer ? name : NULL},
        {"Last-Event-ID", last_id},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (!pairs[i][1] || !*pairs[i][1])
            continue;
        head->pair[n++] = pairs[i][0];
        head->pair[n++] = pairs[i][1];
    }
    cJSON_ArrayForEach (more, http->options.headers) {
        const cJSON *key = cJSON_GetObjectItemCaseSensitive(more, "name");
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(more, "value");
        if (!cJSON_IsString(key) || !cJSON_IsString(value) ||
            n + 2 >= sizeof(head->pair) / sizeof(head->pair[0]))
            continue;
        head->pair[n++] = key->valuestring;
        head->pair[n++] = value->valuestring;
    }
    head->pair[n] = NULL;
}

void http_lost(struct http_link *http)
{
    pthread_mutex_lock(&http->lock);
    bool news = !http->lost;
    http->lost = true;
    pthread_mutex_unlock(&http->lock);
    if (news)
        http->options.down(http->options.ctx);
}

/* ---- what the server says besides -------------------------------------------------------------
 */

static void on_taken(void *ctx, const struct antiphon_http_response *response)
{
    (void)ctx, (void)response; /* whether it listens is its own affair */
}

static void answer_back(struct http_link *http, const cJSON *asked)
{
    const struct antiphon_host *h = http->options.h;
    struct http_head head;
    char *text = message_answer(asked);

    if (!text)
        return;
    http_head(http, &head, "", NULL, NULL);
    struct antiphon_http_request post = {
        .struct_size = sizeof(post),
        .timeout_ms = ANSWER_MS,
        .flags = http_flags(http),
        .method = "POST",
        .url = http->options.url,
        .headers = head.pair,
        .body = text,
        .body_len = strlen(text),
    };
    (void)h->http(h, &post, on_taken, NULL);
    cJSON_free(text);
}

void http_heard(struct http_link *http, struct antiphon_call *call, int64_t id, cJSON *message)
{
    const struct antiphon_host *h = http->options.h;
    const char *progress = call ? message_progress(message, id) : NULL;

    if (progress)
        h->progress(h, call, progress, strlen(progress));
    else if (message_is_question(message))
        answer_back(http, message);
    else
        http->options.heard(http->options.ctx, message);
    cJSON_Delete(message);
}

/* ---- one exchange -----------------------------------------------------------------------------
 */

static void take(void *ctx, const cJSON *message)
{
    struct exchange *exchange = ctx;

    http_heard(exchange->http, exchange->request->call, exchange->request->id,
               cJSON_Duplicate(message, true));
}

static void on_event(void *ctx, const char *data, size_t len)
{
    struct exchange *exchange = ctx;
    struct link_reply *reply = exchange->reply;

    if (!reply->message)
        reply->message = message_find(data, len, exchange->request->id, take, exchange);
}

static void see_head(struct exchange *exchange, const struct antiphon_http_response *response)
{
    struct http_link *http = exchange->http;
    char type[64], session[HTTP_MAX_SESSION];

    if (exchange->form != FORM_UNKNOWN || response->http_status == 0)
        return;
    http_value(response->headers, "content-type", type, sizeof(type));
    http_value(response->headers, "mcp-session-id", session, sizeof(session));
    exchange->form = strncasecmp(type, "text/event-stream", 17) ? FORM_JSON : FORM_EVENTS;
    exchange->reply->http_status = response->http_status;
    pthread_mutex_lock(&http->lock);
    if (*session && !strcmp(exchange->request->method, "initialize"))
        (void)snprintf(http->session, sizeof(http->session), "%s", session);
    bool lost = response->http_status == 404 && *http->session;
    pthread_mutex_unlock(&http->lock);
    if (lost)
        http_lost(http);
}

static bool on_part(void *ctx, const struct antiphon_http_response *response)
{
    struct exchange *exchange = ctx;

    see_head(exchange, response);
    if (exchange->form == FORM_EVENTS)
        return events_feed(&exchange->events, response->body, response->body_len, on_event,
                           exchange) &&
               !exchange->reply->message;
    char *longer = realloc(exchange->body, exchange->len + response->body_len + 1);
    if (!longer)
        return false;
    exchange->body = longer;
    memcpy(longer + exchange->len, response->body, response->body_len);
    exchange->len += response->body_len;
    return true;
}

/* On the thread that waits. */
static void on_done(void *ctx, const struct antiphon_http_response *response)
{
    struct exchange *exchange = ctx;
    struct link_reply *reply = exchange->reply;

    see_head(exchange, response);
    reply->status = (enum antiphon_status)response->status;
    if (exchange->form == FORM_EVENTS)
        events_end(&exchange->events, on_event, exchange);
    else if (exchange->len > 0 && !reply->status)
        on_event(exchange, exchange->body, exchange->len);
    if (reply->message)
        reply->status = ANTIPHON_OK; /* however it ended */
    else if (reply->status)
        (void)snprintf(reply->why, sizeof(reply->why), "%s",
                       response->error ? response->error : "no connection");
}

static enum antiphon_status send(struct exchange *exchange, uint32_t timeout_ms, bool again)
{
    struct http_link *http = exchange->http;
    const struct link_request *asked = exchange->request;
    const struct antiphon_host *h = http->options.h;
    struct http_head head;

    http_head(http, &head, again ? NULL : asked->method, asked->name,
              again ? exchange->events.id : NULL);
    struct antiphon_http_request request = {
        .struct_size = sizeof(request),
        .timeout_ms = timeout_ms,
        .max_body = MAX_BODY,
        .flags = http_flags(http),
        .method = again ? "GET" : "POST",
        .url = http->options.url,
        .headers = head.pair,
        .body = again ? NULL : asked->text,
        .body_len = again ? 0 : strlen(asked->text),
        .part = on_part,
    };
    exchange->form = FORM_UNKNOWN;
    return h->http_wait(h, asked->call, &request, on_done, exchange);
}

/* False: the call was cancelled meanwhile. */
static bool pause_for(struct http_link *http, struct antiphon_call *call, uint32_t ms)
{
    const struct antiphon_host *h = http->options.h;
    const struct timespec step = {0, STEP_MS * 1000000L};

    for (uint32_t waited = 0; waited < ms; waited += STEP_MS) {
        if (call && h->cancelled(h, call))
            return false;
        (void)nanosleep(&step, NULL);
    }
    return true;
}

/* It broke off, and the server can go on where it did. */
static bool may_resume(const struct exchange *exchange)
{
    const struct link_reply *reply = exchange->reply;

    return exchange->request->id && !reply->message && exchange->form == FORM_EVENTS &&
           *exchange->events.id &&
           (!reply->status || reply->status == ANTIPHON_EUNAVAILABLE ||
            reply->status == ANTIPHON_EPROTOCOL);
}

static void resume(struct exchange *exchange, uint64_t until)
{
    struct http_link *http = exchange->http;
    const struct antiphon_host *h = http->options.h;

    while (may_resume(exchange)) {
        uint32_t retry = exchange->events.retry_ms ? exchange->events.retry_ms : RETRY_MS;
        if (!pause_for(http, exchange->request->call, retry < MAX_RETRY ? retry : MAX_RETRY))
            break;
        uint64_t now = h->now_ms(h);
        if (now >= until || send(exchange, (uint32_t)(until - now), true))
            break;
    }
}

static void request(struct link *link, const struct link_request *asked, struct link_reply *reply)
{
    struct http_link *http = (struct http_link *)link;
    struct exchange exchange = {.http = http, .request = asked, .reply = reply};
    uint64_t until = http->options.h->now_ms(http->options.h) + asked->timeout_ms;

    *reply = (struct link_reply){0};
    pthread_mutex_lock(&http->lock);
    (void)snprintf(http->version, sizeof(http->version), "%s",
                   asked->version ? asked->version : "");
    pthread_mutex_unlock(&http->lock);
    enum antiphon_status status = send(&exchange, asked->timeout_ms, false);
    if (status) {
        reply->status = status;
        (void)snprintf(reply->why, sizeof(reply->why), "the request was refused by the host");
    } else {
        resume(&exchange, until);
    }
    if (!reply->status && asked->id && !reply->message) {
        reply->status = ANTIPHON_EPROTOCOL;
        (void)snprintf(reply->why, sizeof(reply->why), "HTTP status %d without an answer to %s",
                       reply->http_status, asked->method);
    }
    events_free(&exchange.events);
    free(exchange.body);
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

static void listen_to(struct link *link, const char *text)
{
    struct http_link *http = (struct http_link *)link;

    if (!http->stream)
        http->stream = stream_open(http, text);
}

/* The server may forget the session; whether it does is its own affair. */
static void end_session(struct http_link *http)
{
    struct http_head head;

    http_head(http, &head, NULL, NULL, NULL);
    struct antiphon_http_request request = {
        .struct_size = sizeof(request),
        .timeout_ms = 1000,
        .flags = http_flags(http),
        .method = "DELETE",
        .url = http->options.url,
        .headers = head.pair,
    };

    (void)http->options.h->http_wait(http->options.h, NULL, &request, on_taken, NULL);
}

static void close_link(struct link *link)
{
    struct http_link *http = (struct http_link *)link;

    if (http->stream)
        stream_close(http->stream);
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
    http->link = (struct link){request, cancel, is_down, listen_to, close_link};
    http->options = *options;
    pthread_mutex_init(&http->lock, NULL);
    return &http->link;
}
