#include "net/upstream_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/step.h"
#include "net/shard.h"
#include "net/tls_client.h"
#include "net/upstream_pool.h"
#include "base/banned.h"

#define RESOLVE_MS 2000u
#define CONNECT_MS 5000u

static const enum antiphon_ws_stage stages[] = {
    [RESOLVING] = ANTIPHON_WS_RESOLVE, [CONNECTING] = ANTIPHON_WS_CONNECT,
    [PROXY] = ANTIPHON_WS_CONNECT,     [TLS] = ANTIPHON_WS_TLS,
    [UPGRADE] = ANTIPHON_WS_UPGRADE,   [OPEN] = ANTIPHON_WS_OPEN,
};

static struct proxy_settings proxies; /* [main] writes it before the first shard */

/* ---- process-wide
 * ------------------------------------------------------------------------------------- */

static const char *environment(const char *name)
{
    return getenv(name);
}

enum antiphon_status upstream_global_init(struct err *err)
{
    enum antiphon_status status = proxy_read(environment, &proxies, err);

    return status ? status : tls_client_init(err);
}

void upstream_global_deinit(void)
{
    tls_client_deinit();
    memset(&proxies, 0, sizeof(proxies));
}

/* ---- ending
 * -------------------------------------------------------------------------------------------- */

void upstream_enter(struct upstream *upstream)
{
    upstream->depth++;
}

static void opening_free(struct upstream *upstream)
{
    struct upstream_opening *opening = upstream->opening;

    if (!opening)
        return;
    upstream->opening = NULL;
    buf_deinit(&opening->request);
    buf_deinit(&opening->tunnel_request);
    ws_url_deinit(&opening->url);
    free(opening);
}

void upstream_leave(struct upstream *upstream)
{
    if (--upstream->depth || !upstream->dead)
        return;
    upstream_io_clear(upstream);
    ws_frame_reader_deinit(&upstream->reader);
    opening_free(upstream);
    free(upstream);
}

/* Gives up everything but the memory. */
static void release(struct upstream *upstream)
{
    upstream->dead = true;
    if (upstream->phase == OPEN)
        metrics_sub(METRIC_upstreams, 1);
    timer_stop(upstream->shard, &upstream->timer);
    if (upstream->opening)
        resolver_cancel(&upstream->opening->query);
    stream_close(&upstream->stream);
}

void upstream_finish(struct upstream *upstream, const struct antiphon_ws_end *end)
{
    if (upstream->dead)
        return;
    if (end->status || end->code != 1000)
        metrics_add(METRIC_upstream_failures, 1);
    release(upstream);
    upstream->handlers.on_close(upstream->ctx, end);
}

static void on_waiting_failure(void *ctx)
{
    struct upstream *upstream = ctx;

    upstream_enter(upstream);
    upstream_finish(upstream, &upstream->opening->failure);
    upstream_leave(upstream);
}

void upstream_fail(struct upstream *upstream, enum antiphon_status status, int code,
                   int http_status, const char *reason)
{
    struct antiphon_ws_end end = {.struct_size = sizeof(end),
                                  .stage = stages[upstream->phase],
                                  .status = status,
                                  .code = code,
                                  .http_status = http_status,
                                  .reason = reason};

    if (!upstream->starting) {
        upstream_finish(upstream, &end);
        return;
    }
    snprintf(upstream->opening->failure_text, sizeof(upstream->opening->failure_text), "%s",
             reason);
    upstream->opening->failure = end;
    upstream->opening->failure.reason = upstream->opening->failure_text;
    timer_start(upstream->shard, &upstream->timer, 0, on_waiting_failure, upstream);
}

void upstream_close(struct upstream *upstream, int code, const char *reason)
{
    if (!upstream || upstream->dead)
        return;
    upstream_enter(upstream);
    upstream_io_close(upstream, code, reason);
    release(upstream);
    upstream_leave(upstream);
}

/* ---- coming up
 * ------------------------------------------------------------------------------------------ */

static void on_timer(void *ctx);
static void connect_next(struct upstream *upstream);

static void fail_stream(struct upstream *upstream, enum antiphon_status status)
{
    upstream_fail(upstream, status, 1006, 0, stream_error(&upstream->stream));
}

static void arm(struct upstream *upstream)
{
    struct upstream_opening *opening = upstream->opening;
    uint64_t now = clock_now_ms(), left;
    unsigned tries = opening->answer.n - opening->address + 1;

    left = opening->connect_deadline_ms > now ? opening->connect_deadline_ms - now : 0;
    if (upstream->phase == CONNECTING && tries > 1)
        left /= tries; /* an address that swallows packets must leave time for the others */
    timer_start(upstream->shard, &upstream->timer, left, on_timer, upstream);
}

static void on_answer(void *ctx, const struct resolver_answer *answer, const char *why)
{
    struct upstream *upstream = ctx;
    struct upstream_opening *opening = upstream->opening;
    char text[400];

    upstream_enter(upstream);
    if (answer) {
        opening->answer = *answer;
        opening->connect_deadline_ms = clock_now_ms() + opening->connect_ms;
        connect_next(upstream);
    } else {
        snprintf(text, sizeof(text), "cannot resolve %s: %s",
                 opening->proxy ? opening->proxy->host : opening->url.host, why);
        upstream_fail(upstream, ANTIPHON_EUNAVAILABLE, 1006, 0, text);
    }
    upstream_leave(upstream);
}

static void connect_next(struct upstream *upstream)
{
    struct upstream_opening *opening = upstream->opening;
    int port = opening->proxy ? opening->proxy->port : opening->url.port;

    upstream->phase = CONNECTING;
    while (opening->address < opening->answer.n) {
        struct sockaddr_storage address = opening->answer.address[opening->address++];
        if (address.ss_family == AF_INET6)
            ((struct sockaddr_in6 *)&address)->sin6_port = htons((uint16_t)port);
        else
            ((struct sockaddr_in *)&address)->sin_port = htons((uint16_t)port);
        stream_close(&upstream->stream);
        if (!stream_connect(&upstream->stream, &address)) {
            arm(upstream);
            return;
        }
    }
    fail_stream(upstream, ANTIPHON_EUNAVAILABLE);
}

static void on_timer(void *ctx)
{
    struct upstream *upstream = ctx;
    struct upstream_opening *opening = upstream->opening;
    char text[300];

    upstream_enter(upstream);
    switch (upstream->phase) {
    case RESOLVING:
        snprintf(text, sizeof(text), "cannot resolve %s: no answer within %u ms",
                 opening->proxy ? opening->proxy->host : opening->url.host, opening->resolve_ms);
        upstream_fail(upstream, ANTIPHON_ETIMEOUT, 1006, 0, text);
        break;
    case CONNECTING:
        if (opening->address < opening->answer.n && clock_now_ms() < opening->connect_deadline_ms) {
            connect_next(upstream);
            break;
        }
        upstream_fail(upstream, ANTIPHON_ETIMEOUT, 1006, 0, "connecting timed out");
        break;
    case PROXY:
        upstream_fail(upstream, ANTIPHON_ETIMEOUT, 1006, 0, "the proxy did not answer in time");
        break;
    case TLS:
        upstream_fail(upstream, ANTIPHON_ETIMEOUT, 1006, 0, "the TLS handshake timed out");
        break;
    default:
        upstream_fail(upstream, ANTIPHON_ETIMEOUT, 1006, 0, "no answer to the upgrade in time");
        break;
    }
    upstream_leave(upstream);
}

/* Sends what is left of a request. */
static void send_request(struct upstream *upstream, struct buf *request)
{
    while (request->len) {
        ssize_t n = stream_write(&upstream->stream, request->data, request->len);
        if (n == STREAM_FAILED) {
            fail_stream(upstream, ANTIPHON_EUNAVAILABLE);
            return;
        }
        if (n < 0) {
            stream_want_write(&upstream->stream, true);
            return;
        }
        buf_consume(request, (size_t)n);
    }
    stream_want_write(&upstream->stream, false);
}

static void start_upgrade(struct upstream *upstream)
{
    upstream->phase = UPGRADE;
    send_request(upstream, &upstream->opening->request);
}

static void go_on_with_tls(struct upstream *upstream)
{
    enum antiphon_status status = stream_handshake(&upstream->stream);

    if (status == ANTIPHON_EBUSY)
        return;
    if (status)
        fail_stream(upstream, status);
    else
        start_upgrade(upstream);
}

static void start_tls(struct upstream *upstream)
{
    if (!upstream->opening->url.tls) {
        start_upgrade(upstream);
        return;
    }
    upstream->phase = TLS;
    if (stream_start_tls(&upstream->stream, upstream->opening->url.host,
                         upstream->opening->url.server))
        fail_stream(upstream, ANTIPHON_ENOMEM);
    else
        go_on_with_tls(upstream);
}

static void on_connected(struct upstream *upstream)
{
    if (stream_connected(&upstream->stream)) {
        if (upstream->opening->address < upstream->opening->answer.n)
            connect_next(upstream);
        else
            fail_stream(upstream, ANTIPHON_EUNAVAILABLE);
        return;
    }
    upstream->phase = PROXY;
    arm(upstream);
    if (upstream->opening->proxy)
        send_request(upstream, &upstream->opening->tunnel_request);
    else
        start_tls(upstream);
}

static void on_upgraded(struct upstream *upstream, const char *rest, size_t len)
{
    upstream->phase = OPEN;
    metrics_add(METRIC_upstreams, 1);
    timer_stop(upstream->shard, &upstream->timer);
    opening_free(upstream);
    upstream->handlers.on_open(upstream->ctx);
    if (!upstream->dead)
        upstream_io_feed(upstream, rest, len);
}

/* The proxy's or the server's answer to our request. */
static void read_answer(struct upstream *upstream, struct http_upgrade *upgrade)
{
    struct upstream_pool *pool = shard_upstream_pool(upstream->shard);
    bool tunnel = upstream->phase == PROXY;
    char why[160], text[200];
    size_t used;
    int http_status;

    for (;;) {
        ssize_t n = stream_read(&upstream->stream, pool->read, sizeof(pool->read));
        if (n == STREAM_AGAIN)
            return;
        if (n < 0) {
            fail_stream(upstream, ANTIPHON_EUNAVAILABLE);
            return;
        }
        if (n == STREAM_END) {
            upstream_fail(upstream, ANTIPHON_EUNAVAILABLE, 1006, 0,
                          "connection closed without an answer");
            return;
        }
        switch (http_upgrade_read(upgrade, pool->read, (size_t)n, &used, &http_status, why,
                                  sizeof(why))) {
        case HTTP_UPGRADE_MORE:
            continue;
        case HTTP_UPGRADE_FAILED:
            snprintf(text, sizeof(text), "%s%s", tunnel ? "proxy: " : "", why);
            upstream_fail(upstream, ANTIPHON_EPROTOCOL, 1006, http_status, text);
            return;
        case HTTP_UPGRADE_DONE:
            if (!tunnel)
                on_upgraded(upstream, pool->read + used, (size_t)n - used);
            else if (used != (size_t)n)
                upstream_fail(upstream, ANTIPHON_EPROTOCOL, 1006, 0,
                              "proxy: bytes behind its answer");
            else
                start_tls(upstream);
            return;
        }
    }
}

static void on_ready(void *ctx, bool readable, bool writable)
{
    struct upstream *upstream = ctx;

    upstream_enter(upstream);
    if (upstream->phase != OPEN || writable)
        step_begin(STEP_model_socket);
    switch (upstream->phase) {
    case RESOLVING:
        break;
    case CONNECTING:
        on_connected(upstream);
        break;
    case PROXY:
        if (writable)
            send_request(upstream, &upstream->opening->tunnel_request);
        if (readable && !upstream->dead)
            read_answer(upstream, &upstream->opening->tunnel);
        break;
    case TLS:
        go_on_with_tls(upstream);
        break;
    case UPGRADE:
        if (writable)
            send_request(upstream, &upstream->opening->request);
        if (readable && !upstream->dead)
            read_answer(upstream, &upstream->opening->upgrade);
        break;
    case OPEN:
        if (writable && !upstream->broken)
            upstream_io_flush(upstream);
        if (readable && !upstream->dead)
            upstream_io_read(upstream);
        break;
    }
    upstream_leave(upstream);
}

/* ---- opening
 * --------------------------------------------------------------------------------------------- */

static enum antiphon_status prepare(struct upstream *upstream,
                                    const struct antiphon_ws_request *request)
{
    struct upstream_opening *opening = upstream->opening;
    enum antiphon_status status = ws_url_parse(request->url, &opening->url);

    if (status)
        return status;
    status = http_upgrade_websocket(&opening->upgrade, opening->url.host_header,
                                    opening->url.target, request->headers, &opening->request);
    opening->proxy = proxy_for(&proxies, opening->url.tls, opening->url.host, opening->url.port);
    if (!status && opening->proxy)
        status = http_upgrade_connect(&opening->tunnel, opening->url.server,
                                      opening->proxy->authorization, &opening->tunnel_request);
    return status;
}

static enum antiphon_status begin(struct upstream *upstream)
{
    struct upstream_opening *opening = upstream->opening;
    struct resolver *resolver = shard_resolver(upstream->shard);
    const char *host = opening->proxy ? opening->proxy->host : opening->url.host;
    struct resolver_answer answer;
    enum antiphon_status status;

    if (resolver_lookup(resolver, host, &answer)) {
        on_answer(upstream, &answer, NULL);
        return ANTIPHON_OK;
    }
    status = resolver_start(resolver, host, &opening->query, on_answer, upstream);
    if (!status)
        timer_start(upstream->shard, &upstream->timer, opening->resolve_ms, on_timer, upstream);
    return status;
}

enum antiphon_status upstream_open(struct shard *shard, const struct antiphon_ws_request *request,
                                   const struct antiphon_ws_handlers *handlers, void *ctx,
                                   struct upstream **upstream)
{
    static const struct stream_handlers stream_handlers = {.on_ready = on_ready};
    struct upstream *made = calloc(1, sizeof(*made));
    struct upstream_opening *opening = calloc(1, sizeof(*opening));
    enum antiphon_status status;

    if (!made || !opening) {
        free(made);
        free(opening);
        return ANTIPHON_ENOMEM;
    }
    made->opening = opening;
    made->shard = shard;
    made->handlers = *handlers;
    made->ctx = ctx;
    made->last = &made->first;
    opening->resolve_ms = request->resolve_timeout_ms ? request->resolve_timeout_ms : RESOLVE_MS;
    opening->connect_ms = request->connect_timeout_ms ? request->connect_timeout_ms : CONNECT_MS;
    buf_init(&opening->request, HTTP_UPGRADE_MAX_BYTES);
    buf_init(&opening->tunnel_request, HTTP_UPGRADE_MAX_BYTES);
    ws_frame_reader_init(&made->reader,
                         request->max_message ? request->max_message : UPSTREAM_MAX_MESSAGE_BYTES);
    stream_init(&made->stream, shard, &stream_handlers, made);
    upstream_enter(made);
    made->starting = true;
    status = prepare(made, request);
    if (!status)
        status = begin(made);
    made->starting = false;
    if (status) {
        release(made);
    } else {
        metrics_add(METRIC_upstream_connects, 1);
        *upstream = made;
    }
    upstream_leave(made);
    return status;
}
