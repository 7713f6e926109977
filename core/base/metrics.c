#include "base/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/banned.h"

/* Each thread counts in a block of its own, so that counting costs no locked instruction and no
 * cache line goes to and fro between shards. A thread that ends leaves its counts in `rest`. */
struct block {
    _Atomic(uint64_t) counter[METRIC_COUNT]; /* written by its thread only */
    struct block *next;
    bool known; /* is in the list */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *blocks; /* of the threads that live; guarded by lock */
static struct block rest;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool has_key; /* else nobody would take an ended thread's block out of the list */
static _Thread_local struct block mine;

static const struct {
    const char *name, *help;
} texts[METRIC_COUNT] = {
#define METRIC(name, help) [METRIC_##name] = {"antiphon_" #name "_total", help},
#include "base/metrics.def"
#undef METRIC
};

static void on_thread_end(void *value)
{
    struct block *block = value, **at;

    pthread_mutex_lock(&lock);
    for (at = &blocks; *at != block;)
        at = &(*at)->next;
    *at = block->next;
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        atomic_fetch_add_explicit(&rest.counter[i], atomic_exchange(&block->counter[i], 0),
                                  memory_order_relaxed);
    block->known = false;
    pthread_mutex_unlock(&lock);
}

static void make_key(void)
{
    has_key = pthread_key_create(&key, on_thread_end) == 0;
}

static bool introduce(void)
{
    pthread_once(&once, make_key);
    if (!has_key || pthread_setspecific(key, &mine))
        return false;
    pthread_mutex_lock(&lock);
    mine.next = blocks;
    blocks = &mine;
    mine.known = true;
    pthread_mutex_unlock(&lock);
    return true;
}

void metrics_add(enum metric metric, uint64_t n)
{
    _Atomic(uint64_t) *counter = &mine.counter[metric];

    if (!mine.known && !introduce()) {
        atomic_fetch_add_explicit(&rest.counter[metric], n, memory_order_relaxed);
        return;
    }
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

uint64_t metrics_get(enum metric metric)
{
    uint64_t sum;

    pthread_mutex_lock(&lock);
    sum = atomic_load_explicit(&rest.counter[metric], memory_order_relaxed);
    for (const struct block *block = blocks; block; block = block->next)
        sum += atomic_load_explicit(&block->counter[metric], memory_order_relaxed);
    pthread_mutex_unlock(&lock);
    return sum;
}

enum antiphon_status metrics_print(struct buf *out)
{
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n", texts[i].name, texts[i].help,
                   texts[i].name);
        buf_printf(out, "%s %" PRIu64 "\n", texts[i].name, metrics_get((enum metric)i));
    }
    return buf_status(out);
}
