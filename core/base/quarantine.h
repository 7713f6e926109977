/* quarantine - keeps the last things that ended a while before they are freed: a plugin that answers twice, late and from
 * a thread of its own, then meets a thing that says so instead of freed memory. Any thread. Bounded by the array given:
 * the oldest leaves when a new one comes. */
#ifndef BASE_QUARANTINE_H
#define BASE_QUARANTINE_H
#include <pthread.h>
#include <stddef.h>

struct quarantine {
    pthread_mutex_t mutex;
    void **item; /* borrowed: an array of `size`; what is in it is owned */
    size_t size, at;
};
#define QUARANTINE_INIT(items)                                                                     \
    {                                                                                              \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .item = (items),                                       \
        .size = sizeof(items) / sizeof((items)[0])                                                 \
    }

/* Takes over item and gives back the oldest, which the caller frees, or NULL. */
void *quarantine_swap(struct quarantine *quarantine, void *item) __attribute__((warn_unused_result));
#endif
