#include "base/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/banned.h"

#define LABEL_SIZE  32

struct histo {
    _Atomic(uint64_t) bucket[METRICS_BOUNDS + 1];
    _Atomic(uint64_t) sum;
};

/* Each thread counts in a block of its own, so that counting costs no locked instruction and no
 * cache line goes to and fro between shards. A thread that ends leaves its counts in `rest`. */
struct block {
    _Atomic(uint64_t) counter[METRIC_COUNT]; /* written by its thread only, as all here */
    struct histo histo[HISTOGRAM_COUNT];
    struct block *next;
    int shard;  /* -1: none */
    bool known; /* is in the list */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *blocks; /* of the threads that live; guarded by lock */
static struct block rest = {.shard = -1};
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool has_key; /* else nobody would take an ended thread's block out of the list */
static _Thread_local struct block mine = {.shard = -1};

enum kind { COUNTER, GAUGE_KIND, SHARD_COUNTER, SHARD_MOMENT };

static const struct metric_text {
    enum kind kind;
    const char *family, *label, *help;
} texts[METRIC_COUNT] = {
#define METRIC(name, help) [METRIC_##name] = {COUNTER, "antiphon_" #name "_total", "", help},
#define LABELLED(name, family, label, help)                                                        \
    [METRIC_##name] = {COUNTER, "antiphon_" #family "_total", label, help},
#define GAUGE(name, help) [METRIC_##name] = {GAUGE_KIND, "antiphon_" #name, "", help},
#define SHARD_METRIC(name, help)                                                                   \
    [METRIC_##name] = {SHARD_COUNTER, "antiphon_" #name "_total", "", help},
#define SHARD_SINCE(name, help)                                                                    \
    [METRIC_##name] = {SHARD_MOMENT, "antiphon_" #name "_seconds", "", help},
#include "base/metrics.def"
};

static const struct histogram_text {
    const char *family, *label;
    uint64_t least, most;
    const char *help;
    bool numbers;   /* no microseconds */
    bool per_shard; /* one for each, in whole powers of two */
} histogram_texts[HISTOGRAM_COUNT] = {
#define HISTOGRAM(name, family, label, least, most, help)                                          \
    [HISTOGRAM_##name] = {"antiphon_" #family "_seconds", label, least, most, help, false, false},
#define COUNTS(name, least, most, help)                                                            \
    [HISTOGRAM_##name] = {"antiphon_" #name, "", least, most, help, true, false},
#define SHARD_HISTOGRAM(name, least, most, help)                                                   \
    [HISTOGRAM_##name] = {"antiphon_" #name "_seconds", "", least, most, help, false, true},
#include "base/metrics.def"
};

/* ---- threads ---- */

static void move(_Atomic(uint64_t) *to, _Atomic(uint64_t) *from)
{
    atomic_fetch_add_explicit(to, atomic_exchange(from, 0), memory_order_relaxed);
}

static void on_thread_end(void *value)
{
    struct block *block = value, **at;

    pthread_mutex_lock(&lock);
    for (at = &blocks; *at != block;)
        at = &(*at)->next;
    *at = block->next;
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        move(&rest.counter[i], &block->counter[i]);
    for (unsigned i = 0; i < HISTOGRAM_COUNT; i++) {
        for (unsigned b = 0; b <= METRICS_BOUNDS; b++)
            move(&rest.histo[i].bucket[b], &block->histo[i].bucket[b]);
        move(&rest.histo[i].sum, &block->histo[i].sum);
    }
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

void metrics_name_shard(unsigned shard)
{
    if (!mine.known && !introduce())
        return;
    pthread_mutex_lock(&lock);
    mine.shard = (int)shard;
    pthread_mutex_unlock(&lock);
}

/* ---- counting ---- */

static void bump(_Atomic(uint64_t) *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* The first count of a thread, and all of one that cannot be introduced. Apart, so that the usual way is short: it is
 * taken several times for each frame of audio. */
static __attribute__((noinline, cold)) void add_first(enum metric metric, uint64_t n)
{
    if (introduce())
        bump(&mine.counter[metric], n);
    else
        atomic_fetch_add_explicit(&rest.counter[metric], n, memory_order_relaxed);
}

void metrics_add(enum metric metric, uint64_t n)
{
    if (mine.known)
        bump(&mine.counter[metric], n);
    else
        add_first(metric, n);
}

void metrics_sub(enum metric metric, uint64_t n)
{
    metrics_add(metric, 0 - n); /* the sum of all threads wraps back */
}

void metrics_set(enum metric metric, uint64_t value)
{
    if (!mine.known)
        add_first(metric, 0);
    atomic_store_explicit(&mine.counter[metric], value, memory_order_relaxed);
}

static uint64_t look(const _Atomic(uint64_t) *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

uint64_t metrics_get(enum metric metric)
{
    uint64_t sum;

    pthread_mutex_lock(&lock);
    sum = look(&rest.counter[metric]);
    for (const struct block *block = blocks; block; block = block->next)
        sum += look(&block->counter[metric]);
    pthread_mutex_unlock(&lock);
    return sum;
}

unsigned metrics_bucket(uint64_t value)
{
    unsigned high, bucket;

    if (value <= 2)
        return value <= 1 ? 0 : 1;
    value--;
    high = 63 - (unsigned)__builtin_clzll(value);
    bucket = 2 * high + (unsigned)(value >> (high - 1) & 1);
    return bucket < METRICS_BOUNDS ? bucket : METRICS_BOUNDS;
}

uint64_t metrics_bound(unsigned bucket)
{
    if (bucket < 2)
        return bucket + 1;
    return bucket % 2 ? 2ull << bucket / 2 : 3ull << (bucket / 2 - 1);
}

static __attribute__((noinline, cold)) void observe_first(enum histogram histogram, uint64_t value)
{
    struct histo *histo = &rest.histo[histogram];

    if (introduce()) {
        metrics_observe(histogram, value);
        return;
    }
    atomic_fetch_add_explicit(&histo->bucket[metrics_bucket(value)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histo->sum, value, memory_order_relaxed);
}

void metrics_observe(enum histogram histogram, uint64_t value)
{
    struct histo *histo = &mine.histo[histogram];

    if (!mine.known) {
        observe_first(histogram, value);
        return;
    }
    bump(&histo->bucket[metrics_bucket(value)], 1);
    bump(&histo->sum, value);
}

/* ---- printing ---- */

/* A copy to print from, of one thread or of all. */
struct tally {
    uint64_t bucket[METRICS_BOUNDS + 1];
    uint64_t sum;
};

static void take(struct tally *tally, const struct histo *histo)
{
    for (unsigned i = 0; i <= METRICS_BOUNDS; i++)
        tally->bucket[i] += look(&histo->bucket[i]);
    tally->sum += look(&histo->sum);
}

static struct tally take_all(enum histogram histogram)
{
    struct tally tally = {{0}, 0};

    take(&tally, &rest.histo[histogram]);
    for (const struct block *block = blocks; block; block = block->next)
        take(&tally, &block->histo[histogram]);
    return tally;
}

uint64_t metrics_observed(enum histogram histogram)
{
    struct tally tally;
    uint64_t n = 0;

    pthread_mutex_lock(&lock);
    tally = take_all(histogram);
    pthread_mutex_unlock(&lock);
    for (unsigned i = 0; i <= METRICS_BOUNDS; i++)
        n += tally.bucket[i];
    return n;
}

static void print_head(struct buf *out, const char *family, const char *help, const char *type)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family, help, family, type);
}

static void print_histogram(struct buf *out, const struct histogram_text *text, const char *label,
                            const struct tally *tally)
{
    const char *comma = label[0] ? "," : "", *open = label[0] ? "{" : "", *close = label[0] ? "}" : "";
    double unit = text->numbers ? 1 : 1e-6;
    uint64_t n = 0;

    for (unsigned i = 0; i < METRICS_BOUNDS; i++) {
        uint64_t bound = metrics_bound(i);
        n += tally->bucket[i];
        if (bound < text->least || bound > text->most || (text->per_shard && (bound & (bound - 1))))
            continue;
        buf_printf(out, "%s_bucket{%s%sle=\"%.9g\"} %" PRIu64 "\n", text->family, label, comma,
                   (double)bound * unit, n);
    }
    n += tally->bucket[METRICS_BOUNDS];
    buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", text->family, label, comma, n);
    buf_printf(out, "%s_sum%s%s%s %.9g\n", text->family, open, label, close, (double)tally->sum * unit);
    buf_printf(out, "%s_count%s%s%s %" PRIu64 "\n", text->family, open, label, close, n);
}

static void print_each_shard(struct buf *out, enum histogram histogram)
{
    for (const struct block *block = blocks; block; block = block->next) {
        struct tally tally = {{0}, 0};
        char label[LABEL_SIZE];
        if (block->shard < 0)
            continue;
        take(&tally, &block->histo[histogram]);
        (void)snprintf(label, sizeof(label), "shard=\"%d\"", block->shard);
        print_histogram(out, &histogram_texts[histogram], label, &tally);
    }
}

static void print_histograms(struct buf *out)
{
    const char *family = "";

    for (unsigned i = 0; i < HISTOGRAM_COUNT; i++) {
        const struct histogram_text *text = &histogram_texts[i];
        if (strcmp(family, text->family) != 0)
            print_head(out, text->family, text->help, "histogram");
        family = text->family;
        if (text->per_shard) {
            print_each_shard(out, (enum histogram)i);
        } else {
            struct tally tally = take_all((enum histogram)i);
            print_histogram(out, text, text->label, &tally);
        }
    }
}

static void print_shards(struct buf *out, enum metric metric)
{
    const struct metric_text *text = &texts[metric];
    uint64_t now = clock_now_us();

    for (const struct block *block = blocks; block; block = block->next) {
        uint64_t value = look(&block->counter[metric]);
        if (block->shard < 0)
            continue;
        if (text->kind == SHARD_COUNTER)
            buf_printf(out, "%s{shard=\"%d\"} %" PRIu64 "\n", text->family, block->shard, value);
        else /* the moment may be later than ours: it is another thread's */
            buf_printf(out, "%s{shard=\"%d\"} %.6f\n", text->family, block->shard,
                       value && now > value ? (double)(now - value) / 1e6 : 0);
    }
}

static void print_metric(struct buf *out, enum metric metric)
{
    const struct metric_text *text = &texts[metric];
    const char *open = text->label[0] ? "{" : "", *close = text->label[0] ? "}" : "";
    uint64_t sum = look(&rest.counter[metric]);

    if (text->kind == SHARD_COUNTER || text->kind == SHARD_MOMENT) {
        print_shards(out, metric);
        return;
    }
    for (const struct block *block = blocks; block; block = block->next)
        sum += look(&block->counter[metric]);
    /* A gauge that is read between one thread's adding and another's taking away. */
    if (text->kind == GAUGE_KIND && (int64_t)sum < 0)
        sum = 0;
    buf_printf(out, "%s%s%s%s %" PRIu64 "\n", text->family, open, text->label, close, sum);
}

enum antiphon_status metrics_print(struct buf *out)
{
    const char *family = "";

    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        bool gauge = texts[i].kind == GAUGE_KIND || texts[i].kind == SHARD_MOMENT;
        if (strcmp(family, texts[i].family) != 0)
            print_head(out, texts[i].family, texts[i].help, gauge ? "gauge" : "counter");
        family = texts[i].family;
        print_metric(out, (enum metric)i);
    }
    print_histograms(out);
    pthread_mutex_unlock(&lock);
    return buf_status(out);
}
