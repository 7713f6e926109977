/* schedule - when the n-th thing is due, fixed in advance. Pure.
 * Whoever sends what schedule_take() gives, and stamps it with the time it was due rather than the
 * time it went out, counts the waiting that a stalled server causes (nothing is omitted because the
 * sender, too, was held up). */
#ifndef LOAD_SCHEDULE_H
#define LOAD_SCHEDULE_H
#include <stdbool.h>
#include <stdint.h>

struct schedule {
    uint64_t first_ns;
    uint64_t amount,
        rate; /* n units of amount each, at rate units a second: no drift from rounding */
    uint64_t taken;
    uint64_t end_ns; /* nothing is due from then on; 0: for ever */
};

/* For example {amount 640 samples, rate 16000}: every 40 ms. rate > 0, amount > 0. */
void schedule_init(struct schedule *schedule, uint64_t first_ns, uint64_t amount, uint64_t rate);
/* When the n-th (from 0) is due. */
uint64_t schedule_due(const struct schedule *schedule, uint64_t n);
/* When the next one is due; UINT64_MAX: none any more. */
uint64_t schedule_next(const struct schedule *schedule);
/* Takes the next one if it is due by now; *due_ns is its own time, however late it is. */
bool schedule_take(struct schedule *schedule, uint64_t now_ns, uint64_t *due_ns);
#endif
