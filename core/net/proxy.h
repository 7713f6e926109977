/* proxy - which outgoing connection goes through which HTTP proxy: https_proxy, http_proxy,
 * all_proxy and no_proxy as curl reads them (lower case first; http_proxy in lower case only). Only
 * proxies that are spoken to in plain HTTP, with CONNECT. Pure: the environment is handed in. */
#ifndef NET_PROXY_H
#define NET_PROXY_H
#include "base/err.h"

struct proxy_target {
    char host[256];
    int port;
    char authorization[512]; /* value of Proxy-Authorization, "" if the URL has no user */
};

struct proxy_settings {
    struct proxy_target http, https; /* host "": none */
    char no_proxy[2048];             /* longer lists are cut at a comma */
};

/* get_env is getenv() or a test's. EINVAL names the variable, never its value (it may hold a
 * password). */
enum antiphon_status proxy_read(const char *(*get_env)(const char *name),
                                struct proxy_settings *settings, struct err *err) MUST_CHECK;
/* NULL: go directly. */
const struct proxy_target *proxy_for(const struct proxy_settings *settings, bool tls,
                                     const char *host, int port);
#endif
