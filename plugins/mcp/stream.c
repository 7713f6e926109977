/* stream - what a server says unasked, over HTTP: a GET that never ends (older era), or the answer
 * to subscriptions/listen (newer). Opened again when it ends, with the id of the last event. It
 * outlives its link until its request has ended, and then touches nothing but itself. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "events.h"
#include "http_impl.h"

#define STREAM_MS    600000u     /* then it is opened again */
#define MAX_BODY     (64u << 20) /* likewise */
#define MIN_RETRY_MS 1000u
#define MAX_RETRY_MS 60000u

struct stream {
    char *body; /* owned; or NULL */
    pthread_mutex_t lock;
    unsigned refs;          /* under lock, as all below */
    struct http_link *http; /* borrowed; NULL: closed */
    struct events events;
    uint64_t timer;
    bool waits; /* for the timer */
    uint32_t retry_ms;
    bool flows; /* this request is a stream of events */
};

static void drop(struct stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    bool last = --stream->refs == 0;
    pthread_mutex_unlock(&stream->lock);
    if (!last)
        return;
    events_free(&stream->events);
    pthread_mutex_destroy(&stream->lock);
    free(stream->body);
    free(stream);
}

/* With the lock, as all of these. */

static void on_event(void *ctx, const char *data, size_t len)
{
    struct stream *stream = ctx;
    cJSON *message = cJSON_ParseWithLength(data, len);

    if (message)
        http_heard(stream->http, NULL, 0, message);
}

static bool is_stream(const struct antiphon_http_response *response)
{
    char type[64];

    http_value(response->headers, "content-type", type, sizeof(type));
    return response->http_status == 200 && !strncasecmp(type, "text/event-stream", 17);
}

static bool on_part(void *ctx, const struct antiphon_http_response *response)
{
    struct stream *stream = ctx;
    bool more = false;

    pthread_mutex_lock(&stream->lock);
    if (stream->http && is_stream(response)) {
        stream->flows = true;
        more = events_feed(&stream->events, response->body, response->body_len, on_event, stream);
    }
    pthread_mutex_unlock(&stream->lock);
    return more;
}

static void start(struct stream *stream);

static void on_timer(void *ctx)
{
    struct stream *stream = ctx;

    pthread_mutex_lock(&stream->lock);
    stream->waits = false;
    if (stream->http) {
        start(stream);
        if (stream->body || !*stream->events.id) /* what was said meanwhile is not repeated */
            stream->http->options.heard(stream->http->options.ctx, NULL);
    }
    pthread_mutex_unlock(&stream->lock);
    drop(stream);
}

/* Soon if it flowed, later and later if the server is not there. */
static void start_later(struct stream *stream)
{
    const struct antiphon_host *h = stream->http->options.h;
    uint32_t delay = stream->events.retry_ms;

    if (!stream->flows) {
        stream->retry_ms = stream->retry_ms ? stream->retry_ms * 2 : MIN_RETRY_MS;
        stream->retry_ms = stream->retry_ms < MAX_RETRY_MS ? stream->retry_ms : MAX_RETRY_MS;
        delay = stream->retry_ms;
    } else {
        stream->retry_ms = 0;
        delay = delay > 0 && delay < MAX_RETRY_MS ? delay : MIN_RETRY_MS;
    }
    if (h->timer_start(h, delay, on_timer, stream, &stream->timer))
        return;
    stream->waits = true;
    stream->refs++;
}

static void on_done(void *ctx, const struct antiphon_http_response *response)
{
    struct stream *stream = ctx;

    pthread_mutex_lock(&stream->lock);
    if (stream->http) {
        events_end(&stream->events, on_event, stream);
        if (response->http_status == 404 && *stream->http->session)
            http_lost(stream->http);
        else if (stream->flows || response->status == ANTIPHON_EUNAVAILABLE || is_stream(response))
            start_later(stream);
        /* else: the server has nothing to say unasked */
    }
    pthread_mutex_unlock(&stream->lock);
    drop(stream);
}

static void start(struct stream *stream)
{
    struct http_link *http = stream->http;
    const struct antiphon_host *h = http->options.h;
    struct http_head head;

    http_head(http, &head, stream->body ? "subscriptions/listen" : NULL, NULL,
              stream->body ? NULL : stream->events.id);
    struct antiphon_http_request request = {
        .struct_size = sizeof(request),
        .timeout_ms = STREAM_MS,
        .max_body = MAX_BODY,
        .flags = http_flags(http),
        .method = stream->body ? "POST" : "GET",
        .url = http->options.url,
        .headers = head.pair,
        .body = stream->body,
        .body_len = stream->body ? strlen(stream->body) : 0,
        .part = on_part,
    };
    stream->flows = false;
    stream->refs++;
    if (h->http(h, &request, on_done, stream))
        stream->refs--; /* nothing is served, or everything ends */
}

struct stream *stream_open(struct http_link *http, const char *body)
{
    struct stream *stream = calloc(1, sizeof(*stream));

    if (!stream)
        return NULL;
    pthread_mutex_init(&stream->lock, NULL);
    stream->http = http;
    stream->refs = 1;
    stream->body = body ? strdup(body) : NULL;
    pthread_mutex_lock(&stream->lock);
    if (!body || stream->body)
        start(stream);
    pthread_mutex_unlock(&stream->lock);
    return stream;
}

void stream_close(struct stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    const struct antiphon_host *h = stream->http->options.h;
    bool waits = stream->waits && h->timer_cancel(h, stream->timer);
    stream->http = NULL;
    pthread_mutex_unlock(&stream->lock);
    if (waits)
        drop(stream);
    drop(stream);
}
