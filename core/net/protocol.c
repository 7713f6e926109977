#include "net/protocol.h"

#include <stdlib.h>

#include "base/step.h"
#include "net/http_server.h"
#include "net/shard.h"
#include "net/ws_server.h"
#include "base/banned.h"

/* Pieces of this size are handed to the kernel in one call; the default, the 4 KiB or 64 KiB of the
 * service buffer, would cut messages and copy the rest (lws 4.1.6, lws_issue_raw). */
/* libwebsockets makes a buffer of this size for each connection; a longer message comes in pieces.
 */
#define RX_BYTES 16384u
#define TX_BYTES (1024u * 1024)

struct shard *protocol_shard(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

static void on_destroy(struct lws *wsi)
{
    struct protocol_state *state = lws_get_opaque_user_data(wsi);

    if (state && state->kind == PROTOCOL_WS)
        ws_server_on_closed(wsi);
    else if (state)
        http_server_on_closed(wsi);
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    (void)user;
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        step_begin(STEP_client_open);
        return ws_server_on_upgrade(wsi);
    case LWS_CALLBACK_ESTABLISHED:
        step_begin(STEP_client_open);
        return ws_server_on_established(wsi);
    case LWS_CALLBACK_RECEIVE:
        step_begin(STEP_client_message);
        return ws_server_on_receive(wsi, in, len);
    case LWS_CALLBACK_RECEIVE_PONG:
        ws_server_on_pong(wsi);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        step_begin(STEP_client_writable);
        return ws_server_on_writeable(wsi);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return ws_server_on_peer_close(wsi, in, len);
    case LWS_CALLBACK_HTTP:
        step_begin(STEP_http_request);
        return http_server_on_request(wsi);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        step_begin(STEP_http_request);
        return http_server_on_writeable(wsi);
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_WSI_DESTROY:
        step_begin(STEP_client_gone);
        on_destroy(wsi);
        return 0;
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
        shard_on_wake(protocol_shard(wsi));
        return 0;
    default:
        return 0;
    }
}

static int listener_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
                             void *in, size_t len)
{
    (void)user;
    (void)in;
    (void)len;
    if (reason == LWS_CALLBACK_RAW_RX_FILE)
        shard_on_accept(protocol_shard(wsi));
    return 0;
}

/* Every protocol is told of a wake-up, once each: only the first one listens. */
static int subprotocol_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
                                void *in, size_t len)
{
    return reason == LWS_CALLBACK_EVENT_WAIT_CANCELLED ? 0 : callback(wsi, reason, user, in, len);
}

enum antiphon_status protocol_table_new(const char *const *subprotocols,
                                        struct lws_protocols **table)
{
    struct lws_protocols *made;
    size_t n = 0;

    while (subprotocols && subprotocols[n])
        n++;
    made = calloc(n + 3, sizeof(*made));
    if (!made)
        return ANTIPHON_ENOMEM;
    made[0] = (struct lws_protocols){.name = PROTOCOL_DEFAULT_NAME,
                                     .callback = callback,
                                     .rx_buffer_size = RX_BYTES,
                                     .tx_packet_size = TX_BYTES};
    for (size_t i = 0; i < n; i++)
        made[i + 1] = (struct lws_protocols){.name = subprotocols[i],
                                             .callback = subprotocol_callback,
                                             .rx_buffer_size = RX_BYTES,
                                             .tx_packet_size = TX_BYTES};
    made[n + 1] =
        (struct lws_protocols){.name = PROTOCOL_LISTENER_NAME, .callback = listener_callback};
    *table = made;
    return ANTIPHON_OK;
}
