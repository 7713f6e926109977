/* metrics - process-wide counters, gauges and histograms, one per line of metrics.def. Any thread; each counts in
 * a block of its own (a plain load and store, no lock), and reading adds up: what it costs depends on the number
 * of threads, not on that of sessions. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H
#include "base/buf.h"

#define METRIC(name, help) METRIC_##name,
#define LABELLED(name, family, label, help) METRIC_##name,
#define GAUGE(name, help) METRIC_##name,
#define SHARD_METRIC(name, help) METRIC_##name,
#define SHARD_SINCE(name, help) METRIC_##name,
enum metric {
#include "base/metrics.def"
    METRIC_COUNT
};

#define HISTOGRAM(name, family, label, least, most, help) HISTOGRAM_##name,
#define COUNTS(name, least, most, help) HISTOGRAM_##name,
#define SHARD_HISTOGRAM(name, least, most, help) HISTOGRAM_##name,
enum histogram {
#include "base/metrics.def"
    HISTOGRAM_COUNT
};

void metrics_add(enum metric metric, uint64_t n);
/* A gauge may be below 0 for one thread: one adds what another takes away. */
void metrics_sub(enum metric metric, uint64_t n);
/* This thread's share of a gauge; of SHARD_SINCE the moment (clock_now_us(), 0: none). */
void metrics_set(enum metric metric, uint64_t value);
uint64_t metrics_get(enum metric metric);

/* Bounds 1, 2, 3, 4, 6, 8, 12, 16, 24 ... 2^25: a quantile is right to a half. Larger values count as +Inf. */
#define METRICS_BOUNDS 50
void metrics_observe(enum histogram histogram, uint64_t value);
unsigned metrics_bucket(uint64_t value); /* pure: METRICS_BOUNDS for what is beyond the last one */
uint64_t metrics_bound(unsigned bucket); /* pure: the largest value of that bucket */
uint64_t metrics_observed(enum histogram histogram); /* how many */

/* The calling thread is that shard: its SHARD_* lines carry the number while it lives. */
void metrics_name_shard(unsigned shard);

/* Prometheus text exposition format 0.0.4. */
enum antiphon_status metrics_print(struct buf *out) MUST_CHECK;
#endif
