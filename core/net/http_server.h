/* http_server - plain HTTP on the same listener: files held in memory and small synchronous routes. [shard]
 * GET and HEAD only for files; ETag and If-None-Match (304), single byte ranges (206, 416). */
#ifndef NET_HTTP_SERVER_H
#define NET_HTTP_SERVER_H
#include "base/buf.h"
#include "base/err.h"

struct static_files;

struct http_request {
    const char *method; /* "GET", "HEAD", "POST", "OTHER" */
    const char *path;   /* normalised, without query */
    const char *host, *origin;
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
#endif
