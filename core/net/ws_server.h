/* ws_server - WebSocket connections from browsers, on a shard's libwebsockets context. [shard]
 * Handshake: Upgrade must be "websocket" (also closes the door to h2c and to CVE-2025-11677), then
 * on_upgrade() decides. Refusals are answered with a status, an empty body and Connection: close.
 * No extensions are offered. Pings every 20 s, gives a client up that has answered none for 45 s.
 */
#ifndef NET_WS_SERVER_H
#define NET_WS_SERVER_H
#include "antiphon/plugin.h"
#include "base/err.h"

struct shard;
struct ws_conn;

#define WS_MAX_PATH_BYTES  1024
#define WS_MAX_QUERY_BYTES 4096

struct ws_upgrade {
    /* Without query, percent-decoded, dot segments resolved and slashes merged by libwebsockets,
     * which also turns '+' into a blank and, where the path holds a ';', gives '&'. */
    const char *path;
    const char *raw_path; /* the same: libwebsockets does not keep what was sent */
    const char *origin;   /* "" if absent */
    const char *host;
    const char
        *subprotocol;  /* the first of the client's list that is ours, "" if it offered none */
    char peer[64];     /* address of the other end */
    const void *query; /* opaque: ws_upgrade_query() */
};
/* The decoded value of a query parameter, or NULL; borrowed during on_upgrade(). The first one
 * wins. */
const char *ws_upgrade_query(const struct ws_upgrade *upgrade, const char *name);

struct ws_server_options {
    const char *const
        *subprotocols;        /* ours, NULL-terminated; NULL: none. A client that offers only
                                 others is answered 400; one that offers none is accepted as "" */
    unsigned max_connections; /* per shard; beyond: 503 */
    uint32_t max_message;     /* bytes; beyond: close 1009 */
    /* The queue to the client, with its two accounts. A message is always taken when nothing else
     * of its kind waits, so that a single large one (a history) can pass. */
    uint32_t max_control_bytes, max_control_messages; /* beyond: close 1013 */
    uint32_t max_audio_bytes;                         /* beyond: oldest dropped and counted */
    uint32_t stall_ms; /* a client that takes nothing for so long is dropped (1013) */
    uint32_t ping_ms;   /* a client that is silent for so long is pinged */
    uint32_t hangup_ms; /* and dropped (1006) if nothing comes of it for so long; 0: neither */
    /* 0 accepts, else the HTTP status (400, 403, 404, 503) of the refusal, whose body is empty.
     * *conn_ctx is handed to the other callbacks (and on_close() is called for every accepted
     * upgrade). */
    int (*on_upgrade)(void *ctx, struct shard *shard, const struct ws_upgrade *upgrade,
                      void **conn_ctx);
    void (*on_open)(void *conn_ctx, struct ws_conn *conn);
    /* One whole message, borrowed. Text is not yet checked to be UTF-8. */
    void (*on_message)(void *conn_ctx, struct ws_conn *conn, bool binary, const char *data,
                       size_t len);
    /* Exactly once, last. code: close code from the peer (1005: an empty close frame), 1006 if it
     * just went, or ours. conn is NULL if it never opened. */
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
/* Joins the parts into one message; written at once when nothing waits and the socket takes it,
 * else queued. Safe from within any callback. A control queue that overflows closes the connection
 * (1013) and returns EBUSY. */
enum antiphon_status ws_conn_send(struct ws_conn *conn, struct ws_message message,
                                  const struct antiphon_span *parts, size_t n);
/* Drops queued audio (a message that is partly written stays) and returns how many messages it was.
 */
unsigned ws_conn_drop_audio(struct ws_conn *conn);
/* Flushes what is queued (for at most 5 s), then closes; on_close() follows later, on_message() no
 * more. reason: at most 123 bytes, longer ones are cut. */
void ws_conn_close(struct ws_conn *conn, int code, const char *reason);

/* ---- for the shard and its libwebsockets callback (net/protocol.c) only
 * -------------------------- */

struct lws;
struct ws_server;
enum antiphon_status ws_server_new(struct shard *shard, const struct ws_server_options *options,
                                   struct ws_server **server) MUST_CHECK;
void ws_server_free(struct ws_server *server);
unsigned ws_server_count(const struct ws_server *server);
void ws_server_close_all(struct ws_server *server, int code, const char *reason);
/* Results are libwebsockets': not 0 closes the connection. */
int ws_server_on_upgrade(struct lws *wsi);
int ws_server_on_established(struct lws *wsi);
int ws_server_on_receive(struct lws *wsi, const char *data, size_t len);
void ws_server_on_pong(struct lws *wsi);
int ws_server_on_writeable(struct lws *wsi);
int ws_server_on_peer_close(struct lws *wsi, const void *payload, size_t len);
void ws_server_on_closed(struct lws *wsi);
#endif
