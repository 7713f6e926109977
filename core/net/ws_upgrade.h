/* ws_upgrade - reads a browser's WebSocket handshake out of libwebsockets' header table and refuses
 * it. [shard] */
#ifndef NET_WS_UPGRADE_H
#define NET_WS_UPGRADE_H
#include "net/ws_server.h"

struct lws;

#define WS_UPGRADE_MAX_PARAMS 32

struct ws_upgrade_param {
    const char *name, *value; /* borrowed: query_text */
};

struct ws_upgrade_request {
    struct ws_upgrade upgrade; /* points into the rest */
    char path[WS_MAX_PATH_BYTES], host[256], origin[512], subprotocol[64];
    char query_text[WS_MAX_QUERY_BYTES];
    struct ws_upgrade_param param[WS_UPGRADE_MAX_PARAMS];
    unsigned params;
};

/* 0, the HTTP status to refuse with, or -1: hang up without a word, because libwebsockets has
 * already answered and given the headers back. */
int ws_upgrade_read(struct lws *wsi, const char *const *subprotocols,
                    struct ws_upgrade_request *request);
/* status from ws_upgrade_read() or on_upgrade(). */
void ws_upgrade_refuse(struct lws *wsi, int status);
#endif
