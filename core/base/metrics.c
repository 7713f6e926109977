#include "base/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "base/banned.h"

static _Atomic(uint64_t) counters[METRIC_COUNT];

static const struct {
    const char *name, *help;
} texts[METRIC_COUNT] = {
#define METRIC(name, help) [METRIC_##name] = {"antiphon_" #name "_total", help},
#include "base/metrics.def"
#undef METRIC
};

void metrics_add(enum metric metric, uint64_t n)
{
    atomic_fetch_add_explicit(&counters[metric], n, memory_order_relaxed);
}

uint64_t metrics_get(enum metric metric)
{
    return atomic_load_explicit(&counters[metric], memory_order_relaxed);
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
