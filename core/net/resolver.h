/* resolver - names to addresses for the upstream connections of one shard, through libuv's thread
 * pool, so that a slow name server stalls nobody's loop. Answers are kept for 30 s, at most
 * RESOLVER_MAX_NAMES of them. getaddrinfo() cannot be stopped: who cancels a query is left alone,
 * and the late answer still serves the next one. [shard] */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H
#include <netinet/in.h>
#include <uv.h>
#include "base/err.h"

#define RESOLVER_MAX_NAMES     64
#define RESOLVER_MAX_ADDRESSES 8
#define RESOLVER_KEEP_MS       30000u

struct resolver;
struct resolver_entry;

struct resolver_answer {
    struct sockaddr_storage address[RESOLVER_MAX_ADDRESSES]; /* the port is 0 */
    unsigned n;
};
/* answer is NULL if the name has none; why is then static text ("Name or service not known"). */
typedef void resolver_done_fn(void *ctx, const struct resolver_answer *answer, const char *why);

/* Embedded in whoever asks; start zeroed. */
struct resolver_query {
    struct resolver_query *prev, *next; /* owned by the resolver */
    resolver_done_fn *done;
    void *ctx;
};

enum antiphon_status resolver_new(uv_loop_t *loop, struct resolver **resolver) MUST_CHECK;
/* Cancels what can be cancelled; the loop must run until it is empty before resolver_free(). NULL
 * is legal. */
void resolver_close(struct resolver *resolver);
void resolver_free(struct resolver *resolver);

/* An answer that needs no asking: a numeric address, or a name asked for in the last 30 s. */
bool resolver_lookup(struct resolver *resolver, const char *host, struct resolver_answer *answer);
/* Calls done() later, never from within. EBUSY: RESOLVER_MAX_NAMES are being looked up. */
enum antiphon_status resolver_start(struct resolver *resolver, const char *host,
                                    struct resolver_query *query, resolver_done_fn *done,
                                    void *ctx) MUST_CHECK;
void resolver_cancel(struct resolver_query *query); /* legal on an idle or zeroed query */
#endif
