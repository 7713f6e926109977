#include "net/timer.h"

#include <stddef.h>

#include "base/clock.h"
#include "net/shard.h"
#include "base/banned.h"

static void link_before(struct timer *head, struct timer *timer)
{
    timer->prev = head->prev;
    timer->next = head;
    head->prev->next = timer;
    head->prev = timer;
}

static uint64_t tick_of(uint64_t due_ms)
{
    return (due_ms + TIMER_TICK_MS - 1) / TIMER_TICK_MS;
}

bool timer_active(const struct timer *timer)
{
    return timer->next != NULL;
}

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ms)
{
    wheel->tick = now_ms / TIMER_TICK_MS;
    for (unsigned i = 0; i < TIMER_SLOTS; i++)
        wheel->slot[i] = (struct timer){.prev = &wheel->slot[i], .next = &wheel->slot[i]};
}

void timer_wheel_add(struct timer_wheel *wheel, struct timer *timer)
{
    uint64_t tick = tick_of(timer->due_ms);

    if (tick <= wheel->tick) {
        tick = wheel->tick + 1;
        timer->due_ms = tick * TIMER_TICK_MS;
    }
    link_before(&wheel->slot[tick % TIMER_SLOTS], timer);
}

void timer_wheel_remove(struct timer *timer)
{
    if (!timer->next)
        return;
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->prev = timer->next = NULL;
}

void timer_wheel_run(struct timer_wheel *wheel, uint64_t now_ms)
{
    struct timer due = {.prev = &due, .next = &due};
    uint64_t now = now_ms / TIMER_TICK_MS;
    uint64_t first = wheel->tick + 1;

    if (now <= wheel->tick)
        return;
    if (now - wheel->tick > TIMER_SLOTS)
        first = now - TIMER_SLOTS + 1; /* every slot once is enough */
    wheel->tick = now;
    for (uint64_t tick = first; tick <= now; tick++) {
        struct timer *head = &wheel->slot[tick % TIMER_SLOTS], *next;
        for (struct timer *timer = head->next; timer != head; timer = next) {
            next = timer->next;
            if (tick_of(timer->due_ms) > now)
                continue; /* of a later turn of the wheel */
            timer_wheel_remove(timer);
            link_before(&due, timer);
        }
    }
    while (due.next != &due) {
        struct timer *timer = due.next;
        timer_wheel_remove(timer);
        timer->fn(timer->ctx);
    }
}

bool timer_wheel_next(const struct timer_wheel *wheel, uint64_t *due_ms)
{
    for (unsigned i = 1; i <= TIMER_SLOTS; i++) {
        const struct timer *head = &wheel->slot[(wheel->tick + i) % TIMER_SLOTS];
        if (head->next != head) {
            *due_ms = (wheel->tick + i) * TIMER_TICK_MS;
            return true;
        }
    }
    return false;
}

void timer_start(struct shard *shard, struct timer *timer, uint64_t delay_ms, void (*fn)(void *ctx),
                 void *ctx)
{
    struct timer_wheel *wheel = shard_wheel(shard);

    timer_wheel_remove(timer);
    timer->due_ms = clock_now_ms() + delay_ms;
    timer->fn = fn;
    timer->ctx = ctx;
    timer_wheel_add(wheel, timer);
    shard_schedule(shard, timer->due_ms);
}

void timer_stop(struct shard *shard, struct timer *timer)
{
    (void)shard; /* the ring is left without the wheel; its uv_timer may wake once for nothing */
    timer_wheel_remove(timer);
}
