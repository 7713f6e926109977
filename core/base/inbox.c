#include "base/inbox.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/banned.h"

struct inbox {
    /* Newest first. Posters push, the owner takes the whole chain: no message is ever popped alone,
     * so a plain compare-and-swap is enough. */
    _Atomic(struct inbox_message *) newest;
    void (*wake)(void *ctx);
    void *ctx;
};

enum antiphon_status inbox_new(void (*wake)(void *ctx), void *ctx, struct inbox **inbox)
{
    struct inbox *made = calloc(1, sizeof(*made));

    if (!made)
        return ANTIPHON_ENOMEM;
    atomic_init(&made->newest, NULL);
    made->wake = wake;
    made->ctx = ctx;
    *inbox = made;
    return ANTIPHON_OK;
}

void inbox_post(struct inbox *inbox, struct inbox_message *message)
{
    void (*wake)(void *ctx) = inbox->wake;
    void *ctx = inbox->ctx;
    struct inbox_message *head = atomic_load_explicit(&inbox->newest, memory_order_relaxed);

    do {
        message->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&inbox->newest, &head, message,
                                                    memory_order_release, memory_order_relaxed));
    if (!head)
        wake(ctx);
}

static bool run_all(struct inbox *inbox, void *owner, bool dropped)
{
    struct inbox_message *chain, *oldest = NULL;

    chain = atomic_exchange_explicit(&inbox->newest, NULL, memory_order_acquire);
    if (!chain)
        return false;
    while (chain) {
        struct inbox_message *next = chain->next;
        chain->next = oldest;
        oldest = chain;
        chain = next;
    }
    while (oldest) {
        struct inbox_message *next = oldest->next;
        oldest->run(owner, oldest, dropped);
        oldest = next;
    }
    return true;
}

void inbox_drain(struct inbox *inbox, void *owner)
{
    run_all(inbox, owner, false);
}

void inbox_free(struct inbox *inbox, void *owner)
{
    if (!inbox)
        return;
    while (run_all(inbox, owner, true))
        ;
    free(inbox);
}
