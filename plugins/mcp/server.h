/* server - one MCP server: its link, which era of the protocol it speaks, its tools. Opened again
 * when it went down, at the next call, but not sooner than a second after the last attempt, then
 * two, four and so on to a minute. Any thread. */
#ifndef MCP_SERVER_H
#define MCP_SERVER_H
#include <pthread.h>
#include <stdatomic.h>

#include "link.h"

#define SERVER_MAX_TOOLS 200

struct server_options {
    struct link_options link;
    uint32_t start_timeout_ms, timeout_ms;
};

struct server {
    struct server_options options;
    _Atomic int64_t next_id;
    pthread_rwlock_t lock; /* held for reading during a request, for writing to open */
    struct link *link;     /* under lock; owned; NULL: not opened */
    char version[16];      /* under lock; agreed on */
    bool newer, was_open;  /* under lock */
    uint64_t again_ms;     /* under lock; when it may be opened again */
    uint32_t backoff_ms;   /* under lock */
    /* Its tools may be others now, or it went down. Any thread, never blocks. */
    void (*changed)(void *ctx);
    void *ctx;
};

void server_init(struct server *server, void (*changed)(void *ctx), void *ctx);
/* For the options of the link; ctx: the server. */
void server_heard(void *ctx, const cJSON *message);
void server_down(void *ctx);
bool server_is_newer(struct server *server);
/* How long to wait before it is tried again: at least least_ms. */
uint32_t server_wait_ms(struct server *server, uint32_t least_ms);
void server_close(struct server *server);

/* result is the caller's; on failure why is a sentence. The server's own error: EINVAL. */
enum antiphon_status server_request(struct server *server, struct antiphon_call *call,
                                    const char *method, const char *name, cJSON *params,
                                    cJSON **result, char *why, size_t size);
/* All of tools/list as one array, which is the caller's. */
enum antiphon_status server_tools(struct server *server, cJSON **tools, char *why, size_t size);
/* Never blocks for long: at most while the server is being opened. */
void server_cancel(struct server *server, const struct antiphon_call *call);
#endif
