/* metrics - process-wide counters, one per line of metrics.def. Any thread; each counts for itself, and reading adds
 * up. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H
#include "base/buf.h"

enum metric {
#define METRIC(name, help) METRIC_##name,
#include "base/metrics.def"
#undef METRIC
    METRIC_COUNT
};
void metrics_add(enum metric metric, uint64_t n);
uint64_t metrics_get(enum metric metric);
/* Prometheus text exposition format 0.0.4. */
enum antiphon_status metrics_print(struct buf *out) MUST_CHECK;
#endif
