/* shard - one thread that owns its sessions: a libuv loop, a libwebsockets context on it (foreign
 * loop), its own SO_REUSEPORT listener whose sockets it adopts, timers and an inbox. Everything
 * reachable from a shard is touched on its thread only; other threads call shard_post() and nothing
 * else. */
#ifndef NET_SHARD_H
#define NET_SHARD_H
#include <uv.h>
#include "base/err.h"
#include "base/inbox.h"
#include "net/http_server.h"
#include "net/timer.h"
#include "net/ws_server.h"

struct lws_context;
struct resolver;
struct shard;
struct upstream_pool;

#define SHARD_MAX 64

struct shard_options {
    unsigned index;
    const char *host;                       /* address to bind, such as "127.0.0.1" or "::1" */
    int port;                               /* the real one, never 0: see listener_probe() */
    const struct ws_server_options *ws;     /* borrowed for the shard's life */
    const struct http_server_options *http; /* borrowed for the shard's life */
    /* [shard] Once, on the new thread, before the first connection; its result is shard_user(). */
    void *(*on_start)(void *ctx, struct shard *shard);
    /* [shard] Once, last, after all connections are closed. */
    void (*on_stop)(void *ctx, struct shard *shard, void *user);
    void *ctx;
    bool aside; /* it serves no conversations: its loop is not in the metrics */
};

/* [main] Returns when the shard is listening, or why it could not. */
enum antiphon_status shard_start(const struct shard_options *options, struct shard **shard,
                                 struct err *err) MUST_CHECK;
/* [main] Stops accepting; connections live on. Idempotent. */
void shard_stop_accepting(struct shard *shard);
/* [main] The first half of shard_stop(), without waiting, so that several shards stop together.
 * Idempotent. */
void shard_stop_begin(struct shard *shard);
/* [main] Closes what is left with 1001 (what is queued to it goes first, for at most 1 s), joins
 * the thread, frees. Callable whether or not accepting was stopped before. Messages that come too
 * late are dropped, on the main thread. */
void shard_stop(struct shard *shard);

/* [any] A shard that has been stopped drops what it is sent. Not after the last shard has been
 * stopped: end first whatever else may post (pool, HTTP client, store). */
void shard_post(struct shard *shard, struct inbox_message *message);
unsigned shard_index(const struct shard *shard);
/* The shard of the calling thread, or NULL. */
struct shard *shard_self(void);

/* [shard] */
void *shard_user(const struct shard *shard);
uv_loop_t *shard_loop(struct shard *shard);
/* Whether the message from the model that is being handled has others right behind it: one of them may say that what
 * was said before is not to be heard. Audio for clients is queued then rather than written, so that it can be dropped. */
bool shard_behind(const struct shard *shard);
void shard_set_behind(struct shard *shard, bool behind);
struct lws_context *shard_lws(struct shard *shard);

/* ---- for net/ only
 * ---------------------------------------------------------------------------------- */

struct ws_server *shard_ws_server(const struct shard *shard);
const struct http_server_options *shard_http_options(const struct shard *shard); /* NULL: none */
struct resolver *shard_resolver(struct shard *shard);
struct upstream_pool *shard_upstream_pool(struct shard *shard);
struct timer_wheel *shard_wheel(struct shard *shard);
/* Sees to it that the wheel runs at due_ms. */
void shard_schedule(struct shard *shard, uint64_t due_ms);
void shard_on_wake(struct shard *shard);
void shard_on_accept(struct shard *shard);
void shard_on_conn_gone(struct shard *shard); /* one WebSocket connection less */
#endif
