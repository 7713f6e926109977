/* http_server - plain HTTP on the same listener: files held in memory and small synchronous routes.
 * [shard] GET and HEAD only for files, GET only for the page (405 otherwise); /static leads to
 * /static/ (307), as the original sample's server has it; ETag and If-None-Match (304), single byte
 * ranges (206, 416; a list of ranges is answered with the whole). Request bodies are not read:
 * whatever is neither GET nor HEAD is answered with Connection: close. A client that takes nothing
 * of an answer for 10 s is dropped. */
#ifndef NET_HTTP_SERVER_H
#define NET_HTTP_SERVER_H
#include "base/buf.h"
#include "base/err.h"

struct static_files;

struct http_request {
    const char *method;        /* "GET", "HEAD", "POST", "OTHER" */
    const char *path;          /* normalised, without query */
    const char *host, *origin; /* "" if absent */
};
struct http_reply {
    int status;               /* 0: not mine, ask the next (in the end 404) */
    const char *content_type; /* static storage */
    struct buf body;          /* owned by the server after the call; at most 16 MiB */
};
struct http_server_options {
    const struct static_files *files; /* borrowed; NULL: none */
    /* Must not block. Called before the files are looked at. */
    void (*on_request)(void *ctx, const struct http_request *request, struct http_reply *reply);
    void *ctx;
};

/* The reason phrase of a status, "" if it is none of ours. */
const char *http_server_reason(int status);

/* ---- for the libwebsockets callback (net/protocol.c) only
 * ----------------------------------------- */

struct lws;
/* Results are libwebsockets': not 0 closes the connection. */
int http_server_on_request(struct lws *wsi);
int http_server_on_writeable(struct lws *wsi);
void http_server_on_closed(struct lws *wsi);
#endif
