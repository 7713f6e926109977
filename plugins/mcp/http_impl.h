/* http_impl - what http.c and stream.c share. */
#ifndef MCP_HTTP_IMPL_H
#define MCP_HTTP_IMPL_H
#include <pthread.h>

#include "link.h"

#define HTTP_MAX_SESSION 256
#define HTTP_MAX_HEADERS 16 /* of the settings */

struct stream;
struct http_link {
    struct link link;
    struct link_options options;
    struct stream *stream; /* owned; NULL: nothing is listened to */
    pthread_mutex_t lock;
    char session[HTTP_MAX_SESSION]; /* under lock; Mcp-Session-Id, "" until the server gives one */
    char version[16];               /* under lock; agreed on, or "" */
    bool lost;                      /* under lock; the server does not know the session any more */
};

/* The headers of a request; the texts live as long as this and the link. */
struct http_head {
    const char *pair[2 * (8 + HTTP_MAX_HEADERS) + 1];
    char session[HTTP_MAX_SESSION], version[16];
};
/* method and name: for the newer era's headers, or NULL. last_id: Last-Event-ID, or NULL. */
void http_head(struct http_link *http, struct http_head *head, const char *method, const char *name,
               const char *last_id);
/* Copies the value of a header; "" if there is none. */
void http_value(const char *lines, const char *name, char *value, size_t size);
/* The server does not know the session: the link is down. */
void http_lost(struct http_link *http);
/* What the server says besides answers: its questions are answered. [http thread] call: the one
 * that is under way, and its id; or NULL. Takes the message. */
void http_heard(struct http_link *http, struct antiphon_call *call, int64_t id, cJSON *message);
uint32_t http_flags(const struct http_link *http);

/* stream.c: listens to what the server says unasked. body: the request whose answer the stream is
 * (newer era), or NULL for GET. NULL: no memory. */
struct stream *stream_open(struct http_link *http, const char *body);
void stream_close(struct stream *stream);
#endif
