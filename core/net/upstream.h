/* upstream - the WebSocket client side: uv_poll, OpenSSL and wslay's frame API on a shard. [shard]
 * Resolve (libuv's pool, cached 30 s) -> connect (all addresses in turn) -> TLS (SNI, name checked,
 * TLS 1.2 or newer, sessions resumed) -> upgrade (Sec-WebSocket-Accept checked, no extensions) ->
 * messages. Through an HTTP proxy with CONNECT when https_proxy/http_proxy says so and no_proxy
 * does not except it. Every failure is one on_close() with its stage. Handlers are never called
 * from within upstream_open(). */
#ifndef NET_UPSTREAM_H
#define NET_UPSTREAM_H
#include "antiphon/plugin.h"
#include "base/err.h"

struct shard;
struct upstream;

/* Process-wide: TLS trust (system store, SSL_CERT_FILE, SSL_CERT_DIR) and proxy settings. [main] */
enum antiphon_status upstream_global_init(struct err *err) MUST_CHECK;
void upstream_global_deinit(void);

#define UPSTREAM_MAX_CONTROL_BYTES (256u * 1024)
#define UPSTREAM_MAX_AUDIO_BYTES   (64u * 1024) /* about one second of 16 kHz PCM in base64 */

/* The meaning of everything is in antiphon/plugin.h (ws_open, ws_send, ws_close). */
enum antiphon_status upstream_open(struct shard *shard, const struct antiphon_ws_request *request,
                                   const struct antiphon_ws_handlers *handlers, void *ctx,
                                   struct upstream **upstream) MUST_CHECK;
enum antiphon_status upstream_send(struct upstream *upstream, enum antiphon_ws_kind kind,
                                   const struct antiphon_span *parts, size_t n) MUST_CHECK;
/* Sends the close frame if it can be written at once, then closes the socket. Legal from within a
 * handler. */
void upstream_close(struct upstream *upstream, int code, const char *reason);
#endif
