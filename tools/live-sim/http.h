/* http - one HTTP/1.1 request, taken apart by http_parser. Pure: bytes in, a request out.
 * Every answer closes the connection, so a second request never follows the first. */
#ifndef LIVE_SIM_HTTP_H
#define LIVE_SIM_HTTP_H
#include "bytes.h"
#include <http_parser.h>

#define HTTP_MAX_HEAD    65536
#define HTTP_MAX_BODY    (1U << 20)
#define HTTP_MAX_HEADERS 64

struct http_header {
    struct bytes name, value; /* owned */
};

struct http_request {
    http_parser parser;
    struct bytes url, body; /* owned */
    struct http_header headers[HTTP_MAX_HEADERS];
    size_t header_count;
    size_t total;
    char method[16];
    bool done, upgrade, after_value;
};

enum http_result { HTTP_MORE, HTTP_DONE, HTTP_BAD };

void http_request_init(struct http_request *request);
void http_request_free(struct http_request *request);
/* Takes bytes; *used tells how many belonged to the request (after an upgrade more may follow). */
enum http_result http_request_feed(struct http_request *request, const char *data, size_t len,
                                   size_t *used);
/* "" when absent; names are compared without case. */
const char *http_header(const struct http_request *request, const char *name);
/* Path of the URL with repeated slashes collapsed, without the query. Caller frees. */
char *http_path(const struct http_request *request);
/* The decoded value of a query or form field; caller frees, NULL when absent. */
char *http_field(const char *fields, const char *name);
const char *http_query(const struct http_request *request); /* borrowed, "" when there is none */

void http_answer(struct bytes *out, int status, const char *type, const char *extra_headers,
                 const char *body);
#endif
