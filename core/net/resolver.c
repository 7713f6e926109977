#include "net/resolver.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/banned.h"

struct resolver_entry {
    struct resolver *resolver; /* borrowed */
    uv_getaddrinfo_t request;
    bool busy;   /* request is under way */
    bool firing; /* its answer is being handed out */
    char host[256];
    uint64_t expires_ms;
    struct resolver_answer answer;
    struct resolver_query waiting; /* head of a ring */
};

struct resolver {
    uv_loop_t *loop; /* borrowed */
    struct resolver_entry *entry[RESOLVER_MAX_NAMES];
    unsigned n;
    bool closed;
};

enum antiphon_status resolver_new(uv_loop_t *loop, struct resolver **resolver)
{
    struct resolver *made = calloc(1, sizeof(*made));

    if (!made)
        return ANTIPHON_ENOMEM;
    made->loop = loop;
    *resolver = made;
    return ANTIPHON_OK;
}

void resolver_close(struct resolver *resolver)
{
    if (!resolver)
        return;
    resolver->closed = true;
    for (unsigned i = 0; i < resolver->n; i++)
        if (resolver->entry[i]->busy)
            uv_cancel((uv_req_t *)&resolver->entry[i]->request);
}

void resolver_free(struct resolver *resolver)
{
    if (!resolver)
        return;
    for (unsigned i = 0; i < resolver->n; i++)
        free(resolver->entry[i]);
    free(resolver);
}

static void copy_addresses(const struct addrinfo *found, struct resolver_answer *answer)
{
    answer->n = 0;
    for (; found && answer->n < RESOLVER_MAX_ADDRESSES; found = found->ai_next) {
        if (found->ai_family != AF_INET && found->ai_family != AF_INET6)
            continue;
        memset(&answer->address[answer->n], 0, sizeof(answer->address[0]));
        memcpy(&answer->address[answer->n++], found->ai_addr, found->ai_addrlen);
    }
}

static struct resolver_entry *find(struct resolver *resolver, const char *host)
{
    for (unsigned i = 0; i < resolver->n; i++)
        if (!strcmp(resolver->entry[i]->host, host))
            return resolver->entry[i];
    return NULL;
}

bool resolver_lookup(struct resolver *resolver, const char *host, struct resolver_answer *answer)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *found = NULL;
    const struct resolver_entry *entry;

    if (!getaddrinfo(host, NULL, &hints, &found)) {
        copy_addresses(found, answer);
        freeaddrinfo(found);
        return answer->n > 0;
    }
    entry = find(resolver, host);
    if (!entry || !entry->answer.n || entry->expires_ms < clock_now_ms())
        return false;
    *answer = entry->answer;
    return true;
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct resolver_entry *entry = request->data;
    const char *why =
        status == UV_EAI_NONAME || status == UV_EAI_NODATA ? "Name or service not known" : NULL;
    struct resolver_query *ring = &entry->waiting, head = {.prev = &head, .next = &head};
    struct resolver_answer answer;

    entry->busy = false;
    copy_addresses(status ? NULL : found, &entry->answer);
    uv_freeaddrinfo(found);
    if (!why)
        why = status ? uv_strerror(status) : "no usable address";
    entry->expires_ms = clock_now_ms() + RESOLVER_KEEP_MS;
    if (ring->next != ring) { /* whoever asks again from within waits for the next answer */
        head = *ring;
        head.prev->next = head.next->prev = &head;
        ring->prev = ring->next = ring;
    }
    answer = entry->answer;
    entry->firing = true;
    while (head.next != &head) {
        struct resolver_query *query = head.next;
        resolver_cancel(query);
        query->done(query->ctx, answer.n ? &answer : NULL, why);
    }
    entry->firing = false;
}

/* A place for a new name: a free one, or that of the idle entry that expires first. */
static struct resolver_entry *make_room(struct resolver *resolver)
{
    struct resolver_entry *oldest = NULL;

    if (resolver->n < RESOLVER_MAX_NAMES) {
        struct resolver_entry *made = calloc(1, sizeof(*made));
        if (made)
            resolver->entry[resolver->n++] = made;
        return made;
    }
    for (unsigned i = 0; i < resolver->n; i++) {
        struct resolver_entry *entry = resolver->entry[i];
        if (!entry->busy && !entry->firing && (!oldest || entry->expires_ms < oldest->expires_ms))
            oldest = entry;
    }
    return oldest;
}

enum antiphon_status resolver_start(struct resolver *resolver, const char *host,
                                    struct resolver_query *query, resolver_done_fn *done, void *ctx)
{
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct resolver_entry *entry;
    size_t len = strlen(host);

    if (resolver->closed)
        return ANTIPHON_ECANCELLED;
    if (!len || len >= sizeof(entry->host))
        return ANTIPHON_EINVAL;
    entry = find(resolver, host);
    if (!entry) {
        entry = make_room(resolver);
        if (!entry)
            return ANTIPHON_EBUSY;
        memset(entry, 0, sizeof(*entry));
        entry->resolver = resolver;
        entry->waiting.prev = entry->waiting.next = &entry->waiting;
        memcpy(entry->host, host, len + 1);
    }
    if (!entry->busy) {
        entry->request.data = entry;
        if (uv_getaddrinfo(resolver->loop, &entry->request, on_resolved, host, NULL, &hints))
            return ANTIPHON_EUNAVAILABLE;
        entry->busy = true;
    }
    query->done = done;
    query->ctx = ctx;
    query->prev = entry->waiting.prev;
    query->next = &entry->waiting;
    query->prev->next = query->next->prev = query;
    return ANTIPHON_OK;
}

void resolver_cancel(struct resolver_query *query)
{
    if (!query->next)
        return;
    query->prev->next = query->next;
    query->next->prev = query->prev;
    query->prev = query->next = NULL;
}
