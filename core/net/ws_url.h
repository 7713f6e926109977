/* ws_url - where a URL of ws:, wss:, http: or https: leads. Pure. */
#ifndef NET_WS_URL_H
#define NET_WS_URL_H
#include "base/err.h"

#define WS_URL_MAX_BYTES 8192u

struct ws_url {
    bool tls;
    int port;
    char host[256];        /* without brackets */
    char server[272];      /* host:port, an IPv6 address in brackets */
    char host_header[272]; /* the same without a default port */
    char *target;          /* owned; path and query */
};
/* EINVAL: not such a URL, or it has a user in it; ENOMEM. url is initialised in any case. */
enum antiphon_status ws_url_parse(const char *text, struct ws_url *url) MUST_CHECK;
void ws_url_deinit(struct ws_url *url);
#endif
