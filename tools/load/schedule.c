#include "schedule.h"

#include <string.h>

void schedule_init(struct schedule *schedule, uint64_t first_ns, uint64_t amount, uint64_t rate)
{
    memset(schedule, 0, sizeof(*schedule));
    schedule->first_ns = first_ns;
    schedule->amount = amount;
    schedule->rate = rate;
}

uint64_t schedule_due(const struct schedule *schedule, uint64_t n)
{
    uint64_t units = n * schedule->amount;

    /* In two steps, or an hour of nanoseconds times the amount would overflow. */
    return schedule->first_ns + units / schedule->rate * 1000000000u +
           units % schedule->rate * 1000000000u / schedule->rate;
}

uint64_t schedule_next(const struct schedule *schedule)
{
    uint64_t due = schedule_due(schedule, schedule->taken);

    return schedule->end_ns && due >= schedule->end_ns ? UINT64_MAX : due;
}

bool schedule_take(struct schedule *schedule, uint64_t now_ns, uint64_t *due_ns)
{
    uint64_t due = schedule_next(schedule);

    if (due > now_ns)
        return false;
    schedule->taken++;
    *due_ns = due;
    return true;
}
