/* shard - one thread that owns its sessions: a libuv loop, a libwebsockets context on it (foreign loop),
 * its own SO_REUSEPORT listener whose sockets it adopts, timers and an inbox. Everything reachable from a
 * shard is touched on its thread only; other threads call shard_post() and nothing else. */
#ifndef NET_SHARD_H
#define NET_SHARD_H
#include <uv.h>
#include "base/err.h"
#include "base/inbox.h"
#include "net/http_server.h"
#include "net/ws_server.h"

struct lws_context;
struct shard;

#define SHARD_MAX 64

struct shard_options {
    unsigned index;
    const char *host;                    /* address to bind, such as "127.0.0.1" or "::1" */
    int port;                            /* the real one, never 0: see listener_probe() */
    const struct ws_server_options *ws;  /* borrowed for the shard's life */
    const struct http_server_options *http; /* borrowed for the shard's life */
    /* [shard] Once, on the new thread, before the first connection; its result is shard_user(). */
    void *(*on_start)(void *ctx, struct shard *shard);
    /* [shard] Once, last, after all connections are closed. */
    void (*on_stop)(void *ctx, struct shard *shard, void *user);
    void *ctx;
};

/* [main] Returns when the shard is listening, or why it could not. */
enum antiphon_status shard_start(const struct shard_options *options, struct shard **shard,
                                 struct err *err) MUST_CHECK;
/* [main] Stops accepting; connections live on. Idempotent. */
void shard_stop_accepting(struct shard *shard);
/* [main] Closes what is left with 1001, joins the thread, frees. */
void shard_stop(struct shard *shard);

/* [any] */
void shard_post(struct shard *shard, struct inbox_message *message);
unsigned shard_index(const struct shard *shard);
/* The shard of the calling thread, or NULL. */
struct shard *shard_self(void);

/* [shard] */
void *shard_user(const struct shard *shard);
uv_loop_t *shard_loop(struct shard *shard);
struct lws_context *shard_lws(struct shard *shard);

/* A timer is embedded in its owner; start zeroed. Resolution 10 ms. [shard] */
struct timer {
    struct timer *prev, *next; /* owned by the wheel */
    uint64_t due_ms;
    void (*fn)(void *ctx);
    void *ctx;
};
/* (Re)arms: fn runs once, on the shard, in delay_ms. */
void timer_start(struct shard *shard, struct timer *timer, uint64_t delay_ms, void (*fn)(void *ctx),
                 void *ctx);
void timer_stop(struct shard *shard, struct timer *timer); /* legal on an idle or zeroed timer */
bool timer_active(const struct timer *timer);
#endif
