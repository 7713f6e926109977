/* hist - a histogram of durations with buckets that grow with the value: every power of two is cut
 * into HIST_STEPS equal steps, so that a quantile is at most 1/HIST_STEPS (0.8 %) too high. Pure.
 * Values are nanoseconds; below HIST_STEPS they are exact, from 2^HIST_MAX_BITS on (18 minutes)
 * they all fall into the last bucket, and max still says what it was. */
#ifndef LOAD_HIST_H
#define LOAD_HIST_H
#include <stdint.h>

#define HIST_STEP_BITS 7
#define HIST_STEPS     (1u << HIST_STEP_BITS)
#define HIST_MAX_BITS  40
#define HIST_BUCKETS   ((HIST_MAX_BITS - HIST_STEP_BITS + 1) * HIST_STEPS)

struct hist {
    uint64_t count, max, min;
    double sum;
    uint64_t bucket[HIST_BUCKETS];
};

void hist_reset(struct hist *hist);
/* Negative durations (clocks do not run backwards, but arithmetic may) count as 0. */
void hist_record(struct hist *hist, int64_t value);
void hist_merge(struct hist *into, const struct hist *from);
/* The smallest value that at least the share q (0..1) of all recorded ones do not exceed, rounded
 * up to its bucket's end; 0 when nothing was recorded. */
uint64_t hist_quantile(const struct hist *hist, double q);
double hist_mean(const struct hist *hist);
#endif
