/* http_upgrade - the one HTTP/1.1 exchange before an outgoing connection becomes something else: a
 * WebSocket (101) or a tunnel through a proxy (200 to CONNECT). Pure but for the random key. */
#ifndef NET_HTTP_UPGRADE_H
#define NET_HTTP_UPGRADE_H
#include <http_parser.h>
#include "base/buf.h"

#define HTTP_UPGRADE_MAX_BYTES 16384u /* of the request's and of the answer's head */

struct http_upgrade {
    http_parser parser;
    bool websocket; /* else CONNECT */
    bool complete;
    char accept[32]; /* what Sec-WebSocket-Accept must be */
    size_t bytes;
    /* The header that is being read; longer ones than anything we look at are cut. */
    char name[32], value[160];
    size_t name_len, value_len;
    bool in_value;
    bool upgrade_ok, connection_ok, accept_ok, extras;
};

enum http_upgrade_result { HTTP_UPGRADE_MORE, HTTP_UPGRADE_DONE, HTTP_UPGRADE_FAILED };

/* Appends the request; headers: name, value, ..., NULL, or NULL. EINVAL: a header holds a control
 * character; ETOOBIG. */
enum antiphon_status http_upgrade_websocket(struct http_upgrade *upgrade, const char *host_header,
                                            const char *target, const char *const *headers,
                                            struct buf *out) MUST_CHECK;
/* authorization: value of Proxy-Authorization, "" for none. */
enum antiphon_status http_upgrade_connect(struct http_upgrade *upgrade, const char *host_and_port,
                                          const char *authorization, struct buf *out) MUST_CHECK;
/* Reads the answer; *used bytes belonged to it. FAILED: *http_status (0 if it never came so far)
 * and why. */
enum http_upgrade_result http_upgrade_read(struct http_upgrade *upgrade, const char *data,
                                           size_t len, size_t *used, int *http_status, char *why,
                                           size_t why_size);
#endif
