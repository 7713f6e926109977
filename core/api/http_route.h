/* http_route - the HTTP paths that are not files. [shard] */
#ifndef API_HTTP_ROUTE_H
#define API_HTTP_ROUTE_H
#include "net/http_server.h"
#include "session/runtime.h"

/* The on_request of http_server; ctx is the runtime. */
void http_route_on_request(void *runtime, const struct http_request *request, struct http_reply *reply);
/* The same of the listener that has nothing but /metrics. */
void http_route_on_metrics(void *runtime, const struct http_request *request, struct http_reply *reply);
#endif
