/* link - one accepted TCP connection on a libuv loop, plain or TLS. Single-threaded.
 *
 * The callbacks are called from the loop; on_closed is the last one, after which the link is gone.
 * link_end, link_die and link_reset may be called at any time, also from a callback, and more than
 * once; nothing is read after them. */
#ifndef LIVE_SIM_LINK_H
#define LIVE_SIM_LINK_H
#include "bytes.h"
#include <openssl/types.h>
#include <uv.h>

#define LINK_MAX_QUEUE (64U << 20) /* unsent bytes; a peer that reads nothing is then cut off */

struct link;

struct link_callbacks {
    void (*on_data)(void *owner, const char *data, size_t len);
    void (*on_end)(void *owner, const char *how); /* the peer is gone: "fin", "rst" or a fault */
    void (*on_closed)(void *owner);
};

/* Accepts from listener. ssl NULL: plain. hang: the socket stays open and nothing is ever read, as
 * a TLS handshake that never goes on. NULL when the accept failed. */
struct link *link_accept(uv_stream_t *listener, SSL_CTX *ssl, bool hang,
                         const struct link_callbacks *callbacks, void *owner);
void link_write(struct link *link, const void *data, size_t len);
size_t link_queued(const struct link *link); /* bytes written but not yet with the kernel */
void link_end(struct link *link);            /* flush, then FIN */
void link_die(struct link *link);            /* close now; what is queued is lost */
/* RST, once the peer's kernel has all that was written before it, or after 10 s: a reset drops what
 * is still on its way, and how much that is would be a matter of luck. */
void link_reset(struct link *link);
#endif
