#include "net/upstream_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/step.h"
#include "base/utf8.h"
#include "net/shard.h"
#include "net/upstream_pool.h"
#include "base/banned.h"

#define READS_PER_WAKE   64           /* then the others get their turn; */
#define BYTES_PER_WAKE   (256u * 1024) /* or after so much */
#define BURST_BYTES      16384u        /* after so much it is looked for more, whatever the stream says */
#define BROKEN_PIPE_MS   200u
#define MAX_REASON_BYTES 123u

/* ---- writing
 * ------------------------------------------------------------------------------------------- */

static void out_unaccount(struct upstream *upstream, const struct upstream_out *out)
{
    metrics_sub(METRIC_upstream_queue_messages, 1);
    metrics_sub(METRIC_upstream_queue_bytes, out->len);
    if (out->kind == ANTIPHON_WS_AUDIO)
        upstream->audio_bytes -= out->len;
    else
        upstream->control_bytes -= out->len;
}

void upstream_io_clear(struct upstream *upstream)
{
    struct upstream_out *out;

    while ((out = upstream->first)) {
        upstream->first = out->next;
        out_unaccount(upstream, out);
        free(out);
    }
    upstream->last = &upstream->first;
}

static void relayed(uint64_t came_us)
{
    if (came_us)
        metrics_observe(HISTOGRAM_relay_up, clock_now_us() - came_us);
}

static uint64_t came_at(enum antiphon_ws_kind kind)
{
    return kind == ANTIPHON_WS_AUDIO ? step_arrival(STEP_client_message) : 0;
}

static void out_append(struct upstream *upstream, struct upstream_out *out)
{
    metrics_add(METRIC_upstream_queue_messages, 1);
    metrics_add(METRIC_upstream_queue_bytes, out->len);
    if (out->kind == ANTIPHON_WS_AUDIO)
        upstream->audio_bytes += out->len;
    else
        upstream->control_bytes += out->len;
    *upstream->last = out;
    upstream->last = &out->next;
}

static void out_drop_audio(struct upstream *upstream, size_t keep)
{
    struct upstream_out **at = &upstream->first;

    while (*at && upstream->audio_bytes > keep) {
        struct upstream_out *out = *at;
        if (out->kind != ANTIPHON_WS_AUDIO || out->started) {
            at = &out->next;
            continue;
        }
        *at = out->next;
        if (!out->next)
            upstream->last = at;
        out_unaccount(upstream, out);
        free(out);
        metrics_add(METRIC_upstream_audio_dropped, 1);
    }
}

static void on_broken(void *ctx)
{
    struct upstream *upstream = ctx;

    upstream_enter(upstream);
    upstream_fail(upstream, ANTIPHON_EUNAVAILABLE, 1006, 0, stream_error(&upstream->stream));
    upstream_leave(upstream);
}

/* A close frame of the server may still be on its way to us: it says more than the failed write. */
static void on_write_failed(struct upstream *upstream)
{
    upstream->broken = true;
    upstream_io_clear(upstream);
    stream_want_write(&upstream->stream, false);
    timer_start(upstream->shard, &upstream->timer, BROKEN_PIPE_MS, on_broken, upstream);
}

/* Writes out as far as the socket takes it; true if it is all gone. */
static bool out_write(struct upstream *upstream, struct upstream_out *out)
{
    while (out->at < out->len) {
        ssize_t n =
            stream_write(&upstream->stream, (const char *)out->data + out->at, out->len - out->at);
        out->started = true;
        if (n == STREAM_FAILED)
            upstream->broken = true;
        if (n < 0)
            return false;
        out->at += (size_t)n;
    }
    return true;
}

void upstream_io_flush(struct upstream *upstream)
{
    while (upstream->first) {
        struct upstream_out *out = upstream->first;
        if (!out_write(upstream, out)) {
            if (upstream->broken)
                on_write_failed(upstream);
            else
                stream_want_write(&upstream->stream, true);
            return;
        }
        upstream->first = out->next;
        if (!upstream->first)
            upstream->last = &upstream->first;
        out_unaccount(upstream, out);
        relayed(out->came_us);
        free(out);
    }
    stream_want_write(&upstream->stream, false);
}

/* The whole frame in at (WS_FRAME_MAX_HEADER + len bytes); returns its length. */
static size_t build(struct upstream *upstream, enum ws_frame_opcode opcode, const struct antiphon_span *parts,
                    size_t n, size_t len, unsigned char *at)
{
    unsigned char mask[4];
    size_t done = 0, head;

    upstream_pool_mask(shard_upstream_pool(upstream->shard), mask);
    head = ws_frame_header(opcode, len, mask, at);
    for (size_t i = 0; i < n; i++) {
        ws_frame_mask(at + head + done, parts[i].data, parts[i].len, mask, done);
        done += parts[i].len;
    }
    return head + len;
}

static struct upstream_out *out_alloc(enum antiphon_ws_kind kind, size_t len)
{
    struct upstream_out *out = malloc(sizeof(*out) + len);

    if (out)
        *out = (struct upstream_out){.kind = kind, .len = len, .came_us = came_at(kind)};
    return out;
}

/* A frame that waits behind others, or is too large for the pool's buffer. */
static enum antiphon_status send_queued(struct upstream *upstream, enum antiphon_ws_kind kind,
                                        enum ws_frame_opcode opcode, const struct antiphon_span *parts, size_t n,
                                        size_t len)
{
    struct upstream_out *out = out_alloc(kind, WS_FRAME_MAX_HEADER + len);
    bool idle = !upstream->first;

    if (!out)
        return ANTIPHON_ENOMEM;
    out->len = build(upstream, opcode, parts, n, len, out->data);
    out_append(upstream, out);
    if (idle)
        upstream_io_flush(upstream);
    return upstream->broken ? ANTIPHON_EUNAVAILABLE : ANTIPHON_OK;
}

/* The usual case: nothing waits and the socket takes it all, so no memory is needed. */
static enum antiphon_status send_frame(struct upstream *upstream, enum antiphon_ws_kind kind,
                                       enum ws_frame_opcode opcode, const struct antiphon_span *parts, size_t n,
                                       size_t len)
{
    struct upstream_pool *pool = shard_upstream_pool(upstream->shard);
    struct upstream_out *out;
    size_t total, at = 0;
    ssize_t put;

    if (upstream->first || len > UPSTREAM_POOL_WRITE_BYTES - WS_FRAME_MAX_HEADER)
        return send_queued(upstream, kind, opcode, parts, n, len);
    total = build(upstream, opcode, parts, n, len, pool->write);
    while (at < total && (put = stream_write(&upstream->stream, (const char *)pool->write + at, total - at)) >= 0)
        at += (size_t)put;
    if (at == total) {
        relayed(came_at(kind));
        return ANTIPHON_OK;
    }
    out = put == STREAM_AGAIN ? out_alloc(kind, total) : NULL;
    if (!out) { /* a frame that is half out cannot be taken back */
        on_write_failed(upstream);
        return ANTIPHON_EUNAVAILABLE;
    }
    memcpy(out->data, pool->write, total);
    out->at = at;
    out->started = true;
    out_append(upstream, out);
    stream_want_write(&upstream->stream, true);
    return ANTIPHON_OK;
}

enum antiphon_status upstream_send(struct upstream *upstream, enum antiphon_ws_kind kind,
                                   const struct antiphon_span *parts, size_t n)
{
    size_t len = 0;

    if (upstream->phase != OPEN || upstream->dead || upstream->broken)
        return ANTIPHON_EUNAVAILABLE;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].len > UPSTREAM_MAX_MESSAGE_BYTES - len)
            return ANTIPHON_ETOOBIG;
        len += parts[i].len;
    }
    if (kind == ANTIPHON_WS_AUDIO)
        out_drop_audio(upstream,
                       len < UPSTREAM_MAX_AUDIO_BYTES ? UPSTREAM_MAX_AUDIO_BYTES - len : 0);
    else if (upstream->control_bytes && upstream->control_bytes + len > UPSTREAM_MAX_CONTROL_BYTES) {
        metrics_add(METRIC_upstream_refused, 1);
        return ANTIPHON_EBUSY;
    }
    metrics_add(METRIC_upstream_messages_out, 1);
    metrics_add(METRIC_upstream_bytes_out, len);
    return send_frame(upstream, kind, WS_FRAME_TEXT, parts, n, len);
}

void upstream_io_close(struct upstream *upstream, int code, const char *reason)
{
    unsigned char frame[WS_FRAME_MAX_HEADER + WS_FRAME_MAX_CONTROL];
    unsigned char payload[2 + MAX_REASON_BYTES] = {(unsigned char)(code >> 8), (unsigned char)code};
    size_t len = reason ? strlen(reason) : 0, total;
    struct antiphon_span part = {payload, 2};

    if (upstream->phase != OPEN || upstream->broken || upstream->first)
        return;
    if (len > MAX_REASON_BYTES)
        len = MAX_REASON_BYTES;
    if (len)
        memcpy(payload + 2, reason, len);
    part.len = code == 1005 ? 0 : 2 + len;
    total = build(upstream, WS_FRAME_CLOSE, &part, 1, part.len, frame);
    if (stream_write(&upstream->stream, (const char *)frame, total) != (ssize_t)total)
        upstream->broken = true; /* nothing more can be said */
}

/* ---- reading frames
 * ------------------------------------------------------------------------------------- */

static void on_close_frame(struct upstream *upstream, const char *payload, size_t len)
{
    struct antiphon_ws_end end = {.struct_size = sizeof(end), .stage = ANTIPHON_WS_OPEN};
    char text[MAX_REASON_BYTES + 1] = "";
    const char *reason = NULL;
    size_t reason_len = 0;
    int code = 0;

    if (ws_frame_close(payload, len, &code, &reason, &reason_len)) {
        upstream_io_close(upstream, 1002, NULL);
        upstream_fail(upstream, ANTIPHON_EPROTOCOL, 1002, 0,
                      "the server sent a malformed close frame");
        return;
    }
    if (utf8_valid(reason, reason_len))
        memcpy(text, reason, reason_len);
    upstream_io_close(upstream, code, NULL);
    end.code = code;
    end.reason = text;
    upstream_finish(upstream, &end);
}

static void on_control(struct upstream *upstream, const struct ws_frame_item *item)
{
    struct antiphon_span part = {item->data, item->len};

    if (item->opcode == WS_FRAME_CLOSE) {
        on_close_frame(upstream, item->data, item->len);
        return;
    }
    /* A server that pings and does not read gets no pongs rather than all our memory. */
    if (item->opcode != WS_FRAME_PING || upstream->broken ||
        upstream->control_bytes > UPSTREAM_MAX_CONTROL_BYTES)
        return;
    if (send_frame(upstream, ANTIPHON_WS_CONTROL, WS_FRAME_PONG, &part, 1, item->len))
        return; /* on_broken() will tell */
}

static void on_bad_frame(struct upstream *upstream, const struct ws_frame_item *item)
{
    int code = item->status == ANTIPHON_ETOOBIG     ? 1009
               : item->status == ANTIPHON_EPROTOCOL ? 1002
                                                    : 1011;

    upstream_io_close(upstream, code, item->why);
    upstream_fail(upstream, item->status, code, 0, item->why);
}

/* more: the stream has more to be read at once. */
static void feed(struct upstream *upstream, const char *data, size_t len, bool more)
{
    while (!upstream->dead) {
        size_t used;
        struct ws_frame_item item = ws_frame_read(&upstream->reader, data, len, &used);
        data += used;
        len -= used;
        switch (item.kind) {
        case WS_FRAME_NEED_MORE:
            return;
        case WS_FRAME_MESSAGE:
            metrics_add(METRIC_upstream_messages_in, 1);
            metrics_add(METRIC_upstream_bytes_in, item.len);
            step_begin(STEP_model_message);
            step_mark(STEP_plugin_message);
            shard_set_behind(upstream->shard, more || len > 0);
            upstream->handlers.on_message(upstream->ctx, item.data, item.len);
            shard_set_behind(upstream->shard, false);
            break;
        case WS_FRAME_CONTROL:
            on_control(upstream, &item);
            break;
        case WS_FRAME_BAD:
            on_bad_frame(upstream, &item);
            return;
        }
    }
}

void upstream_io_feed(struct upstream *upstream, const char *data, size_t len)
{
    feed(upstream, data, len, false);
}

void upstream_io_read(struct upstream *upstream)
{
    struct upstream_pool *pool = shard_upstream_pool(upstream->shard);
    size_t bytes = 0;

    for (int i = 0; i < READS_PER_WAKE && bytes < BYTES_PER_WAKE; i++) {
        bool more;
        ssize_t n = stream_read(&upstream->stream, pool->read, sizeof(pool->read));
        if (n == STREAM_AGAIN)
            return;
        if (n == STREAM_END) {
            upstream_fail(upstream, ANTIPHON_EUNAVAILABLE, 1006, 0,
                          "connection closed without a close frame");
            return;
        }
        if (n < 0) {
            upstream_fail(upstream, ANTIPHON_EUNAVAILABLE, 1006, 0,
                          stream_error(&upstream->stream));
            return;
        }
        bytes += (size_t)n;
        more = bytes >= BURST_BYTES || stream_has_more(&upstream->stream, (size_t)n, sizeof(pool->read));
        feed(upstream, pool->read, (size_t)n, more);
        if (upstream->dead || !more)
            return;
    }
    stream_read_again(&upstream->stream);
}
