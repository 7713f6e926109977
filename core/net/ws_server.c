#include "net/ws_server.h"

#include <assert.h>
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/slots.h"
#include "base/step.h"
#include "net/protocol.h"
#include "net/shard.h"
#include "net/tcp_progress.h"
#include "net/ws_idle.h"
#include "net/ws_queue.h"
#include "net/ws_upgrade.h"
#include "base/banned.h"

#define CLOSE_FLUSH_MS   5000u
#define CLOSE_ANSWER_MS  5000u
#define MAX_REASON_BYTES 123u
#define MAX_OUT_BYTES    (64u * 1024 * 1024) /* one message; far beyond what anybody sends */
#define DIRECT_BYTES     65536u /* a message that is expected to be taken at once needs no memory of its own */
/* What may be written after the socket said it takes more, before it is asked again. The answer goes by what
 * is not sent yet (TCP_NOTSENT_LOWAT), so that much more than that limit can wait in the kernel. */
#define CREDIT_BYTES     16384u
/* Memory for messages that come in pieces, as many do over a real network, is handed on from one connection to the
 * next: quiet ones keep none, and audio needs no allocation. */
#define SPARES           16u
#define SPARE_BYTES      65536u

struct ws_conn { /* [shard] */
    struct protocol_state state;
    unsigned credit;          /* bytes that may be written without asking the socket */
    bool closing;             /* close_code is decided, no more messages in */
    bool close_sent;          /* our close frame is out, or on its way */
    bool dead;                /* the socket was shut down under libwebsockets */
    bool in_pieces;           /* message holds the beginning of one */
    unsigned window;          /* of ws_idle */
    struct ws_server *server; /* borrowed */
    struct lws *wsi;          /* borrowed; NULL until established */
    void *ctx;                /* of the owner of the callbacks */
    struct ws_queue queue;    /* what the socket did not take yet */
    uint64_t handle;
    struct buf message;       /* a message that came in pieces */
    struct timer timer; /* stall, or the bound of a flush before the close */
    uint64_t acked;     /* when the timer was armed for a stall */
    struct timer silence;
    uint64_t heard_ms;  /* of the loop's clock: when anything came last */
    int close_code;
    unsigned char close_reason[MAX_REASON_BYTES];
    size_t close_reason_len;
};

struct ws_server { /* [shard] */
    struct shard *shard;
    const struct ws_server_options *options; /* borrowed */
    struct slots *conns;
    struct ws_idle idle;
    struct buf spare[SPARES]; /* owned */
    unsigned spares;
    unsigned char direct[LWS_PRE + DIRECT_BYTES];
};

/* ---- the table
 * ------------------------------------------------------------------------------------ */

enum antiphon_status ws_server_new(struct shard *shard, const struct ws_server_options *options,
                                   struct ws_server **server)
{
    struct ws_server *made = calloc(1, sizeof(*made));

    if (!made)
        return ANTIPHON_ENOMEM;
    made->shard = shard;
    made->options = options;
    made->idle.shard = shard;
    if (slots_new(options->max_connections, &made->conns)) {
        free(made);
        return ANTIPHON_ENOMEM;
    }
    *server = made;
    return ANTIPHON_OK;
}

void ws_server_free(struct ws_server *server)
{
    if (!server)
        return;
    assert(!slots_count(server->conns));
    ws_idle_stop(&server->idle);
    while (server->spares)
        buf_deinit(&server->spare[--server->spares]);
    slots_free(server->conns);
    free(server);
}

unsigned ws_server_count(const struct ws_server *server)
{
    return slots_count(server->conns);
}

uint64_t ws_conn_handle(const struct ws_conn *conn)
{
    return conn->handle;
}

struct ws_conn *ws_conn_find(struct shard *shard, uint64_t handle)
{
    struct ws_conn *conn = slots_get(shard_ws_server(shard)->conns, handle);

    return conn && conn->wsi ? conn : NULL;
}

struct shard *ws_conn_shard(const struct ws_conn *conn)
{
    return conn->server->shard;
}

static struct ws_conn *conn_of(struct lws *wsi)
{
    struct protocol_state *state = lws_get_opaque_user_data(wsi);

    return state && state->kind == PROTOCOL_WS ? (struct ws_conn *)state : NULL;
}

/* Ends the socket whatever state libwebsockets is in: shutdown() makes it readable, and the event
 * loop then takes the normal way. Legal from anywhere, which closing through libwebsockets'
 * timeouts is not (they are not looked at until its next event). */
static void conn_kill(struct ws_conn *conn, int code)
{
    if (!conn->closing) {
        conn->closing = true;
        conn->close_code = code;
    }
    ws_queue_clear(&conn->queue);
    timer_stop(conn->server->shard, &conn->timer);
    timer_stop(conn->server->shard, &conn->silence);
    if (!conn->dead && conn->wsi)
        shutdown(lws_get_socket_fd(conn->wsi), SHUT_RDWR);
    conn->dead = true;
}

static void on_stall(void *ctx);

static void arm_stall(struct ws_conn *conn)
{
    if (conn->closing || !conn->server->options->stall_ms)
        return;
    conn->acked = tcp_progress_acked(lws_get_socket_fd(conn->wsi));
    timer_start(conn->server->shard, &conn->timer, conn->server->options->stall_ms, on_stall, conn);
}

static void on_stall(void *ctx)
{
    struct ws_conn *conn = ctx;

    /* What libwebsockets still holds of a large message moves without telling us. */
    if (tcp_progress_acked(lws_get_socket_fd(conn->wsi)) != conn->acked) {
        arm_stall(conn);
        return;
    }
    log_info("ws", "client took nothing for too long, dropped");
    conn_kill(conn, 1013);
}

static void on_flush_timeout(void *ctx)
{
    conn_kill(ctx, 1006);
}

/* data has LWS_PRE bytes in front. came_us: see struct ws_out. */
static bool write_message(struct ws_conn *conn, bool binary, unsigned char *data, size_t len, uint64_t came_us)
{
    int n = lws_write(conn->wsi, data, len, binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);

    if (n < (int)len)
        return false;
    metrics_add(METRIC_client_messages_out, 1);
    metrics_add(METRIC_client_bytes_out, len);
    ws_idle_message(&conn->server->idle, &conn->window);
    if (came_us)
        metrics_observe(HISTOGRAM_relay_down, clock_now_us() - came_us);
    return true;
}

static bool out_write(struct ws_conn *conn, struct ws_out *out)
{
    return write_message(conn, out->binary, out->data + LWS_PRE, out->len, out->came_us);
}

/* Whether the socket would take len bytes more. */
static bool may_write(struct ws_conn *conn, size_t len)
{
    if (lws_partial_buffered(conn->wsi))
        return false;
    if (conn->credit < len) {
        if (lws_send_pipe_choked(conn->wsi))
            return false;
        conn->credit = CREDIT_BYTES;
    }
    conn->credit -= len < conn->credit ? (unsigned)len : conn->credit;
    return true;
}

static enum antiphon_status out_queue(struct ws_conn *conn, struct ws_out *out)
{
    const struct ws_server_options *options = conn->server->options;
    bool idle = !conn->queue.first;

    if (out->kind == WS_AUDIO) {
        size_t room = out->len < options->max_audio_bytes ? options->max_audio_bytes - out->len : 0;
        metrics_add(METRIC_client_audio_dropped, ws_queue_drop_audio(&conn->queue, room));
    } else if (conn->queue.control_messages &&
               (conn->queue.control_bytes + out->len > options->max_control_bytes ||
                conn->queue.control_messages >= options->max_control_messages)) {
        free(out);
        metrics_add(METRIC_client_overflows, 1);
        log_info("ws", "client reads too slowly, closed");
        ws_conn_close(conn, 1013, "reading too slowly");
        return ANTIPHON_EBUSY;
    }
    ws_queue_append(&conn->queue, out);
    if (idle)
        arm_stall(conn);
    lws_callback_on_writable(conn->wsi);
    return ANTIPHON_OK;
}

static void join(const struct antiphon_span *parts, size_t n, unsigned char *at)
{
    for (size_t i = 0; i < n; i++) {
        if (parts[i].len)
            memcpy(at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
}

enum antiphon_status ws_conn_send(struct ws_conn *conn, struct ws_message message,
                                  const struct antiphon_span *parts, size_t n)
{
    struct ws_out *out;
    uint64_t came_us = message.kind == WS_AUDIO ? step_arrival(STEP_model_message) : 0;
    unsigned char *direct = conn->server->direct + LWS_PRE;
    bool later = message.kind == WS_AUDIO && shard_behind(conn->server->shard);
    size_t len = 0;

    if (conn->closing || !conn->wsi)
        return ANTIPHON_EUNAVAILABLE;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].len > MAX_OUT_BYTES - len)
            return ANTIPHON_ETOOBIG;
        len += parts[i].len;
    }
    if (!conn->queue.first && !later && len <= DIRECT_BYTES && may_write(conn, len)) {
        join(parts, n, direct);
        if (!write_message(conn, message.binary, direct, len, came_us))
            conn_kill(conn, 1006);
        return conn->dead ? ANTIPHON_EUNAVAILABLE : ANTIPHON_OK;
    }
    out = malloc(sizeof(*out) + LWS_PRE + len);
    if (!out)
        return ANTIPHON_ENOMEM;
    *out = (struct ws_out){.kind = message.kind, .binary = message.binary, .len = len, .came_us = came_us};
    join(parts, n, out->data + LWS_PRE);
    if (conn->queue.first || later || !may_write(conn, len))
        return out_queue(conn, out);
    if (!out_write(conn, out))
        conn_kill(conn, 1006);
    free(out);
    return conn->dead ? ANTIPHON_EUNAVAILABLE : ANTIPHON_OK;
}

unsigned ws_conn_drop_audio(struct ws_conn *conn)
{
    return ws_queue_drop_audio(&conn->queue, 0);
}

void ws_conn_close(struct ws_conn *conn, int code, const char *reason)
{
    size_t len = reason ? strlen(reason) : 0;

    if (conn->closing || !conn->wsi)
        return;
    if (len > MAX_REASON_BYTES)
        len = MAX_REASON_BYTES;
    conn->closing = true;
    conn->close_code = code;
    conn->close_reason_len = len;
    if (len)
        memcpy(conn->close_reason, reason, len);
    timer_start(conn->server->shard, &conn->timer, CLOSE_FLUSH_MS, on_flush_timeout, conn);
    lws_callback_on_writable(conn->wsi);
}

struct close_all {
    int code;
    const char *reason;
};

static void close_each(void *ctx, uint64_t handle, void *item)
{
    const struct close_all *how = ctx;

    (void)handle;
    ws_conn_close(item, how->code, how->reason);
}

void ws_server_close_all(struct ws_server *server, int code, const char *reason)
{
    struct close_all how = {code, reason};

    slots_each(server->conns, close_each, &how);
}

/* ---- libwebsockets' events
 * ------------------------------------------------------------------------- */

int ws_server_on_upgrade(struct lws *wsi)
{
    struct ws_server *server = shard_ws_server(protocol_shard(wsi));
    const struct ws_server_options *options = server->options;
    struct ws_upgrade_request request;
    struct ws_conn *conn = NULL;
    int status = ws_upgrade_read(wsi, options->subprotocols, &request);

    if (status)
        goto refuse;
    status = 503;
    conn = calloc(1, sizeof(*conn));
    if (!conn || slots_add(server->conns, conn, &conn->handle))
        goto refuse;
    conn->state.kind = PROTOCOL_WS;
    conn->server = server;
    ws_queue_init(&conn->queue);
    buf_init(&conn->message, options->max_message);
    status = options->on_upgrade(options->ctx, server->shard, &request.upgrade, &conn->ctx);
    if (status) {
        slots_remove(server->conns, conn->handle);
        goto refuse;
    }
    lws_set_opaque_user_data(wsi, conn);
    return 0;
refuse:
    free(conn);
    metrics_add(METRIC_client_refused, 1);
    ws_upgrade_refuse(wsi, status);
    return -1;
}

static void heard(struct ws_conn *conn)
{
    conn->heard_ms = uv_now(shard_loop(conn->server->shard));
}

static void on_silence(void *ctx)
{
    struct ws_conn *conn = ctx;
    uint32_t ping_ms = conn->server->options->ping_ms, hangup_ms = conn->server->options->hangup_ms;
    uint64_t quiet = uv_now(shard_loop(conn->server->shard)) - conn->heard_ms, next = ping_ms;
    unsigned char ping[LWS_PRE + 1] = {[LWS_PRE] = '?'}; /* of an empty pong libwebsockets does not tell (4.1.6) */

    if (quiet >= hangup_ms) {
        conn_kill(conn, 1006);
        return;
    }
    if (quiet < ping_ms)
        next = ping_ms - quiet;
    else if (hangup_ms - quiet < next)
        next = hangup_ms - quiet;
    /* Behind what waits for the socket it would come too late, and a client that takes nothing is on_stall()'s. */
    if (quiet >= ping_ms && !conn->queue.first && !conn->close_sent && may_write(conn, 3) &&
        lws_write(conn->wsi, ping + LWS_PRE, 1, LWS_WRITE_PING) < 0) {
        conn_kill(conn, 1006);
        return;
    }
    timer_start(conn->server->shard, &conn->silence, next, on_silence, conn);
}

void ws_server_on_pong(struct lws *wsi)
{
    struct ws_conn *conn = conn_of(wsi);

    if (conn)
        heard(conn);
}

int ws_server_on_established(struct lws *wsi)
{
    struct ws_conn *conn = conn_of(wsi);

    if (!conn)
        return -1;
    conn->wsi = wsi;
    metrics_add(METRIC_client_connections, 1);
    ws_idle_open(&conn->server->idle, &conn->window);
    heard(conn);
    if (conn->server->options->hangup_ms)
        timer_start(conn->server->shard, &conn->silence, conn->server->options->ping_ms, on_silence, conn);
    conn->server->options->on_open(conn->ctx, conn);
    return 0;
}

static void deliver(struct ws_conn *conn, bool binary, const char *data, size_t len)
{
    metrics_add(METRIC_client_messages_in, 1);
    metrics_add(METRIC_client_bytes_in, len);
    ws_idle_message(&conn->server->idle, &conn->window);
    conn->server->options->on_message(conn->ctx, conn, binary, data, len);
}

/* Before the first piece. */
static void take_spare(struct ws_conn *conn)
{
    struct ws_server *server = conn->server;

    if (server->spares && !conn->message.data)
        conn->message = server->spare[--server->spares];
}

static void give_spare(struct ws_conn *conn)
{
    struct ws_server *server = conn->server;

    if (server->spares < SPARES && conn->message.data && conn->message.cap <= SPARE_BYTES) {
        buf_reset(&conn->message);
        server->spare[server->spares++] = conn->message;
        buf_init(&conn->message, server->options->max_message);
    } else {
        buf_deinit(&conn->message);
    }
}

int ws_server_on_receive(struct lws *wsi, const char *data, size_t len)
{
    struct ws_conn *conn = conn_of(wsi);
    bool last = lws_is_final_fragment(wsi) && !lws_remaining_packet_payload(wsi);

    if (!conn || conn->closing)
        return conn ? 0 : -1;
    heard(conn);
    if (len > conn->server->options->max_message - (conn->in_pieces ? conn->message.len : 0)) {
        ws_conn_close(conn, 1009, "message too big");
        return 0;
    }
    if (last && !conn->in_pieces) { /* whole in one piece: no copy */
        deliver(conn, lws_frame_is_binary(wsi), len ? data : "", len);
        return 0;
    }
    take_spare(conn);
    if (buf_append(&conn->message, data, len)) {
        ws_conn_close(conn, 1011, "out of memory");
        return 0;
    }
    conn->in_pieces = !last && conn->message.len;
    if (last) {
        deliver(conn, lws_frame_is_binary(wsi), conn->message.data, conn->message.len);
        give_spare(conn);
    }
    return 0;
}

/* The close frame is an ordinary write, and the client's answer ends the connection
 * (on_peer_close). The way that libwebsockets has for it (lws_close_reason() and -1) loses the
 * frame: on libuv, Debian's build closes twice "to confirm" that nothing happens (4.1.6,
 * service.c), and the second time hangs up at once. */
static int send_close(struct ws_conn *conn)
{
    unsigned char frame[LWS_PRE + 4 + MAX_REASON_BYTES], *at = frame + LWS_PRE;
    size_t len = 4 + conn->close_reason_len;

    if (conn->close_sent)
        return 0;
    conn->close_sent = true;
    at[0] = 0x88; /* FIN, close */
    at[1] = (unsigned char)(2 + conn->close_reason_len);
    at[2] = (unsigned char)(conn->close_code >> 8);
    at[3] = (unsigned char)conn->close_code;
    memcpy(at + 4, conn->close_reason, conn->close_reason_len);
    timer_start(conn->server->shard, &conn->timer, CLOSE_ANSWER_MS, on_flush_timeout, conn);
    return lws_write(conn->wsi, at, len, LWS_WRITE_HTTP) < 0 ? -1 : 0; /* HTTP: as it is */
}

int ws_server_on_writeable(struct lws *wsi)
{
    struct ws_conn *conn = conn_of(wsi);
    struct ws_out *out;
    bool moved = false;

    if (!conn || conn->dead)
        return -1;
    conn->credit = CREDIT_BYTES; /* it has just said so */
    /* Not more than that in one go: what comes from the model may make the rest worthless. */
    while (conn->queue.first && (!moved || (conn->credit >= conn->queue.first->len && may_write(conn, conn->queue.first->len)))) {
        out = ws_queue_pop(&conn->queue);
        moved = out_write(conn, out);
        free(out);
        if (!moved)
            return -1;
    }
    if (conn->queue.first) {
        arm_stall(conn);
        lws_callback_on_writable(wsi);
        return 0;
    }
    if (!conn->closing) {
        timer_stop(conn->server->shard, &conn->timer);
        return 0;
    }
    return send_close(conn);
}

int ws_server_on_peer_close(struct lws *wsi, const void *payload, size_t len)
{
    struct ws_conn *conn = conn_of(wsi);
    const unsigned char *code = payload;

    if (!conn || conn->close_sent)
        return -1; /* it is the answer to ours */
    if (!conn->closing) {
        conn->closing = true;
        conn->close_code = len >= 2 ? code[0] << 8 | code[1] : 1005;
    }
    ws_queue_clear(&conn->queue);
    return 0; /* libwebsockets echoes it */
}

void ws_server_on_closed(struct lws *wsi)
{
    struct ws_conn *conn = conn_of(wsi);
    struct ws_server *server;

    if (!conn)
        return;
    lws_set_opaque_user_data(wsi, NULL);
    server = conn->server;
    if (conn->wsi)
        ws_idle_close(&server->idle, conn->window);
    timer_stop(server->shard, &conn->timer);
    timer_stop(server->shard, &conn->silence);
    server->options->on_close(conn->ctx, conn->wsi ? conn : NULL,
                              conn->closing ? conn->close_code : 1006);
    slots_remove(server->conns, conn->handle);
    ws_queue_clear(&conn->queue);
    buf_deinit(&conn->message);
    free(conn);
    shard_on_conn_gone(server->shard);
}
