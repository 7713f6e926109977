/* stream - one outgoing TCP connection, with or without TLS, on a shard's loop. It says when
 * something can be read or written and never calls back from within a function of its own. [shard]
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include "base/err.h"

struct shard;
struct stream_handles;

#define STREAM_AGAIN  ((ssize_t)-1) /* later */
#define STREAM_FAILED ((ssize_t)-2) /* stream_error() tells */
#define STREAM_END    ((ssize_t)0)  /* the other side has finished */

struct stream_handlers {
    /* Readable, writable, or something failed: call the function that you are waiting for. */
    void (*on_ready)(void *ctx, bool readable, bool writable);
};

struct stream { /* embedded; start with stream_init() */
    struct shard *shard;
    const struct stream_handlers *handlers; /* borrowed */
    void *ctx;
    struct stream_handles *handles; /* owned by the loop while closing */
    SSL *ssl;                       /* owned */
    int events;                     /* what the watcher asks for */
    bool want_write;                /* the owner has something to write */
    bool tls_wants_write;           /* reading or the handshake cannot go on before a write */
    char error[160];
};

void stream_init(struct stream *stream, struct shard *shard, const struct stream_handlers *handlers,
                 void *ctx);
/* Begins to connect; the port is in the address. on_ready(writable) follows, then
 * stream_connected(). */
enum antiphon_status stream_connect(struct stream *stream,
                                    const struct sockaddr_storage *address) MUST_CHECK;
/* OK, or EUNAVAILABLE with stream_error(). */
enum antiphon_status stream_connected(struct stream *stream) MUST_CHECK;
/* server is "host:port", the key of the session cache. Then stream_handshake() at every on_ready().
 */
enum antiphon_status stream_start_tls(struct stream *stream, const char *host,
                                      const char *server) MUST_CHECK;
/* OK: done. EBUSY: later. EPROTOCOL: failed, stream_error() tells. */
enum antiphon_status stream_handshake(struct stream *stream) MUST_CHECK;

ssize_t stream_read(struct stream *stream, char *data, size_t len);
/* Whether more may be there after a read of len bytes gave n; if not, the loop will say so. */
bool stream_has_more(const struct stream *stream, size_t n, size_t len);
/* A write that answered STREAM_AGAIN must be repeated with the same bytes (TLS). */
ssize_t stream_write(struct stream *stream, const char *data, size_t len);
/* Whether on_ready(writable) is wanted. */
void stream_want_write(struct stream *stream, bool want);
/* Asks for one on_ready(readable) although the socket may stay quiet: TLS may hold more, or the
 * owner stopped for the others' sake. */
void stream_read_again(struct stream *stream);
const char *stream_error(const struct stream *stream);
/* Closes the socket; legal in any state, and the struct may be reused or freed at once. */
void stream_close(struct stream *stream);
#endif
