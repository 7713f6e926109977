/* upstream_impl - inside of upstream, shared by upstream.c (coming up, ending) and upstream_io.c
 * (messages once it is open). [shard] */
#ifndef NET_UPSTREAM_IMPL_H
#define NET_UPSTREAM_IMPL_H
#include "net/http_upgrade.h"
#include "net/proxy.h"
#include "net/resolver.h"
#include "net/stream.h"
#include "net/timer.h"
#include "net/upstream.h"
#include "net/ws_frame.h"
#include "net/ws_url.h"

#define UPSTREAM_MAX_MESSAGE_BYTES (16u * 1024 * 1024)

enum upstream_phase { RESOLVING, CONNECTING, PROXY, TLS, UPGRADE, OPEN };

/* One frame to the server, masked and complete; written from data + at on. */
struct upstream_out {
    struct upstream_out *next;
    enum antiphon_ws_kind kind;
    uint64_t came_us; /* when the audio in it came from a client, 0: unknown */
    bool started; /* bytes of it may be out (or inside TLS): it cannot be dropped any more */
    size_t len, at;
    unsigned char data[];
};

/* What is needed only until the connection is open; a quiet one shall be small. */
struct upstream_opening {
    struct antiphon_ws_end failure; /* the one that waits */
    char failure_text[256];
    struct ws_url url;
    const struct proxy_target *proxy; /* borrowed: settings; NULL: direct */
    struct buf tunnel_request, request; /* to the proxy, to the server */
    struct http_upgrade tunnel, upgrade;
    uint32_t resolve_ms, connect_ms;
    uint64_t connect_deadline_ms;
    struct resolver_query query;
    struct resolver_answer answer;
    unsigned address; /* the next to try */
};

struct upstream { /* [shard] */
    enum upstream_phase phase;
    unsigned depth;  /* callbacks that are on the stack; the last one frees */
    bool dead;       /* on_close() was called, or upstream_close() */
    bool starting;   /* within upstream_open(): failures wait for the timer */
    bool broken;     /* a write failed; what the server said before is still read */
    struct shard *shard;
    void *ctx;
    struct antiphon_ws_handlers handlers;
    struct stream stream;
    struct upstream_opening *opening; /* owned; NULL once it is open */
    struct timer timer;
    /* once it is open */
    struct upstream_out *first, **last; /* owned */
    size_t control_bytes, audio_bytes;
    struct ws_frame_reader reader;
};

/* Every callback that may end the connection is bracketed by these; the last leave frees it. */
void upstream_enter(struct upstream *upstream);
void upstream_leave(struct upstream *upstream);
/* Tells on_close() once; upstream_fail() names the stage itself. */
void upstream_finish(struct upstream *upstream, const struct antiphon_ws_end *end);
void upstream_fail(struct upstream *upstream, enum antiphon_status status, int code,
                   int http_status, const char *reason);

/* upstream_io.c */
void upstream_io_clear(struct upstream *upstream);
void upstream_io_flush(struct upstream *upstream);
void upstream_io_read(struct upstream *upstream);
void upstream_io_feed(struct upstream *upstream, const char *data, size_t len);
/* Sends a close frame if it can go at once; what comes after it does not matter any more. */
void upstream_io_close(struct upstream *upstream, int code, const char *reason);
#endif
