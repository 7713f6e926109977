/* ws_server - WebSocket connections from browsers, on a shard's libwebsockets context. [shard]
 * Handshake: Upgrade must be "websocket" (also closes the door to h2c and to CVE-2025-11677), then
 * on_upgrade() decides. No extensions are offered. Pings after 20 s of silence, gives up after 45 s. */
#ifndef NET_WS_SERVER_H
#define NET_WS_SERVER_H
#include "antiphon/plugin.h"
#include "base/err.h"

struct shard;
struct ws_conn;

#define WS_MAX_PATH_BYTES 1024
#define WS_MAX_QUERY_BYTES 4096

struct ws_upgrade {
    const char *path;        /* normalised by the server, without query, percent-decoded */
    const char *raw_path;    /* as sent */
    const char *origin;      /* "" if absent */
    const char *host;
    const char *subprotocol; /* the chosen one of ours, "" if the client offered none */
    char peer[64];           /* address of the other end */
    const void *query;       /* opaque: ws_upgrade_query() */
};
/* The decoded value of a query parameter, or NULL; borrowed during on_upgrade(). The first one wins. */
const char *ws_upgrade_query(const struct ws_upgrade *upgrade, const char *name);

struct ws_server_options {
    const char *const *subprotocols; /* ours, NULL-terminated, best first. A client that offers only
                                        others is answered 400; one that offers none is accepted as "" */
    unsigned max_connections;        /* per shard; beyond: 503 */
    uint32_t max_message;            /* bytes; beyond: close 1009 */
    uint32_t max_control_bytes, max_control_messages; /* queue to the client; beyond: close 1013 */
    uint32_t max_audio_bytes;        /* queue to the client; beyond: oldest dropped and counted */
    uint32_t stall_ms;               /* a client that takes nothing for so long is closed 1013 */
    /* 0 accepts, else the HTTP status (400, 403, 404, 503) of the refusal, whose body is empty. *conn_ctx
     * is handed to the other callbacks (and on_close() is called for every accepted upgrade). */
    int (*on_upgrade)(void *ctx, struct shard *shard, const struct ws_upgrade *upgrade, void **conn_ctx);
    void (*on_open)(void *conn_ctx, struct ws_conn *conn);
    /* One whole message, borrowed. Text is not yet checked to be UTF-8. */
    void (*on_message)(void *conn_ctx, struct ws_conn *conn, bool binary, const char *data, size_t len);
    /* Exactly once, last. code: close code from the peer, 1006 if it just went, or ours. conn may be NULL if it
     * never opened. */
    void (*on_close)(void *conn_ctx, struct ws_conn *conn, int code);
    void *ctx;
};

enum ws_kind { WS_CONTROL, WS_AUDIO };
struct ws_message {
    enum ws_kind kind;
    bool binary;
};

/* A handle of the connection, valid on its shard for ever (find answers NULL when it is gone). */
uint64_t ws_conn_handle(const struct ws_conn *conn);
struct ws_conn *ws_conn_find(struct shard *shard, uint64_t handle);
struct shard *ws_conn_shard(const struct ws_conn *conn);
/* Joins the parts into one message; written at once when nothing waits and the socket takes it, else queued.
 * Safe from within any callback. A control queue that overflows closes the connection (1013) and returns
 * EBUSY. */
enum antiphon_status ws_conn_send(struct ws_conn *conn, struct ws_message message,
                                  const struct antiphon_span *parts, size_t n);
/* Drops queued audio (a message that is partly written stays) and returns how many messages it was. */
unsigned ws_conn_drop_audio(struct ws_conn *conn);
/* Flushes what is queued, then closes; on_close() follows later. reason: at most 123 bytes. */
void ws_conn_close(struct ws_conn *conn, int code, const char *reason);
#endif
