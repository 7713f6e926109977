/* link - how requests reach one server and answers come back: a child process (stdio.c) or HTTP
 * (http.c). request() may be called by several threads at once. */
#ifndef MCP_LINK_H
#define MCP_LINK_H
#include "message.h"

struct link_request {
    struct antiphon_call *call; /* NULL: of our own */
    int64_t id;                 /* 0: a notification, which has no answer */
    const char *method, *name;  /* name: of the tool, or NULL */
    const char *text;           /* the message */
    const char *version;        /* protocol version that was agreed on, or NULL */
    uint32_t timeout_ms;
};

struct link_reply {
    enum antiphon_status status; /* OK: message is there (but for notifications) */
    int http_status;             /* 0 over stdio */
    cJSON *message;              /* the answer; the caller's */
    char why[MESSAGE_MAX_WHY];
};

struct link {
    /* Blocks until there is an answer, the time is over or the call is cancelled. */
    void (*request)(struct link *link, const struct link_request *request,
                    struct link_reply *reply);
    /* Nobody wants the answer to this call any more. Never blocks. */
    void (*cancel)(struct link *link, const struct antiphon_call *call);
    bool (*is_down)(struct link *link); /* a new one must be opened */
    /* From now on heard() is told what the server says unasked; once. text: the request that asks
     * for it (newer era), or NULL. Never blocks for long. */
    void (*listen)(struct link *link, const char *text);
    void (*close)(struct link *link); /* frees it; no request is under way */
};

struct link_options {
    const struct antiphon_host *h;
    const char *name;                /* of the server, for messages */
    char *const *argv, *const *env;  /* stdio; both end with NULL */
    const char *cwd;                 /* stdio; NULL: ours */
    const char *url, *authorization; /* HTTP; authorization may be NULL */
    const cJSON *headers;            /* HTTP; array of {name, value}, or NULL */
    bool allow_private;
    /* What the server says unasked (NULL: something may have been missed), and that it went down; on
     * a thread that must not block, and never after close(). */
    void (*heard)(void *ctx, const cJSON *message);
    void (*down)(void *ctx);
    void *ctx;
};

/* All texts are borrowed as long as the link lives. NULL with a reason. */
struct link *link_stdio(const struct link_options *options, char *why, size_t size);
struct link *link_http(const struct link_options *options, char *why, size_t size);
#endif
