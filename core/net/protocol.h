/* protocol - the one libwebsockets callback of a shard: it finds out whose event it is and passes
 * it on. Every connection carries at most one state object (its opaque pointer), tagged with its
 * kind. [shard] */
#ifndef NET_PROTOCOL_H
#define NET_PROTOCOL_H
#include <libwebsockets.h>
#include "base/err.h"

struct shard;

enum protocol_kind { PROTOCOL_WS = 1, PROTOCOL_HTTP };
struct protocol_state { /* first member of what lws_set_opaque_user_data() is given */
    enum protocol_kind kind;
};

/* Also names that no client can ask for as a subprotocol, because they are no tokens. */
#define PROTOCOL_DEFAULT_NAME  "(default)"
#define PROTOCOL_LISTENER_NAME "(listener)"

/* The table for a vhost: the default, one entry a subprotocol, the listener. Free with free(). */
enum antiphon_status protocol_table_new(const char *const *subprotocols,
                                        struct lws_protocols **table) MUST_CHECK;
struct shard *protocol_shard(struct lws *wsi);
#endif
