#include "hist.h"

#include <math.h>
#include <string.h>

void hist_reset(struct hist *hist)
{
    memset(hist, 0, sizeof(*hist));
    hist->min = UINT64_MAX;
}

static unsigned bucket_of(uint64_t value)
{
    unsigned bits;

    if (value < HIST_STEPS)
        return (unsigned)value;
    if (value >> HIST_MAX_BITS)
        return HIST_BUCKETS - 1;
    bits = 63u - (unsigned)__builtin_clzll(value); /* of the leading one; at least HIST_STEP_BITS */
    return (bits - HIST_STEP_BITS + 1) * HIST_STEPS + (unsigned)(value >> (bits - HIST_STEP_BITS)) -
           HIST_STEPS;
}

/* The largest value that falls into a bucket. */
static uint64_t bucket_end(unsigned bucket)
{
    unsigned row = bucket / HIST_STEPS, step = bucket % HIST_STEPS;

    if (!row)
        return step;
    return ((uint64_t)(HIST_STEPS + step + 1) << (row - 1)) - 1;
}

void hist_record(struct hist *hist, int64_t value)
{
    uint64_t ns = value < 0 ? 0 : (uint64_t)value;

    hist->bucket[bucket_of(ns)]++;
    hist->count++;
    hist->sum += (double)ns;
    if (ns > hist->max)
        hist->max = ns;
    if (ns < hist->min)
        hist->min = ns;
}

void hist_merge(struct hist *into, const struct hist *from)
{
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        into->bucket[i] += from->bucket[i];
    into->count += from->count;
    into->sum += from->sum;
    if (from->max > into->max)
        into->max = from->max;
    if (from->min < into->min)
        into->min = from->min;
}

uint64_t hist_quantile(const struct hist *hist, double q)
{
    uint64_t rank, seen = 0;

    if (!hist->count)
        return 0;
    rank = (uint64_t)ceil(q * (double)hist->count);
    if (rank < 1)
        rank = 1;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        seen += hist->bucket[i];
        if (seen >= rank) {
            uint64_t end = i == HIST_BUCKETS - 1 ? hist->max : bucket_end(i);
            return end < hist->max ? end : hist->max;
        }
    }
    return hist->max;
}

double hist_mean(const struct hist *hist)
{
    return hist->count ? hist->sum / (double)hist->count : 0;
}
