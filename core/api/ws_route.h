/* ws_route - which WebSocket upgrades are accepted, and as what. [shard] */
#ifndef API_WS_ROUTE_H
#define API_WS_ROUTE_H
#include "net/ws_server.h"
#include "session/runtime.h"

extern const char *const ws_route_subprotocols[];
/* The on_upgrade of ws_server; ctx is the runtime. */
int ws_route_on_upgrade(void *runtime, struct shard *shard, const struct ws_upgrade *upgrade, void **link);
#endif
