/* http_client - all outgoing HTTP of the process: one thread around curl_multi_poll. [any] to
 * submit. At most HTTP_CLIENT_MAX_REQUESTS in flight (EBUSY beyond). Only http and https; at most 3
 * redirects (https to http refused); refuses private, loopback and link-local addresses, checked on
 * the connected address, unless the request allows them. Honours https_proxy, SSL_CERT_FILE and
 * SSL_CERT_DIR. The meaning of the request is in antiphon/plugin.h. */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H
#include "antiphon/plugin.h"
#include "base/err.h"

#define HTTP_CLIENT_MAX_REQUESTS 1000
struct http_client;
enum antiphon_status http_client_start(struct http_client **client, struct err *err) MUST_CHECK;
/* done() runs on the HTTP thread, exactly once if this returned OK. Everything in request is
 * copied. */
enum antiphon_status http_client_submit(struct http_client *client,
                                        const struct antiphon_http_request *request,
                                        antiphon_http_done_fn *done, void *ctx) MUST_CHECK;
/* Ends requests in flight (done() with ECANCELLED), joins, frees. */
void http_client_stop(struct http_client *client);
#endif
