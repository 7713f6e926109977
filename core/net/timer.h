/* timer - deadlines of one shard on a hashed wheel: O(1) to arm and to stop, so that every session
 * can have several. The wheel itself is pure (the caller says what time it is); timer_start() and
 * timer_stop() use the wheel of a shard, which drives it with a single uv_timer that sleeps while
 * nothing is due. [shard] */
#ifndef NET_TIMER_H
#define NET_TIMER_H
#include <stdbool.h>
#include <stdint.h>

struct shard;

/* Embedded in its owner; start zeroed. */
struct timer {
    struct timer *prev, *next; /* owned by the wheel */
    uint64_t due_ms;
    void (*fn)(void *ctx);
    void *ctx;
};

#define TIMER_TICK_MS 10u
#define TIMER_SLOTS   512u

struct timer_wheel {
    struct timer slot[TIMER_SLOTS]; /* heads of rings */
    uint64_t tick;                  /* everything up to here has fired */
};

/* (Re)arms: fn runs once, on the shard, not before delay_ms have passed and at most about 20 ms
 * later. */
void timer_start(struct shard *shard, struct timer *timer, uint64_t delay_ms, void (*fn)(void *ctx),
                 void *ctx);
void timer_stop(struct shard *shard, struct timer *timer); /* legal on an idle or zeroed timer */
bool timer_active(const struct timer *timer);

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ms);
/* timer->due_ms, fn and ctx are set; the timer must be idle. A due time that has passed fires in
 * the next tick, never within the present timer_wheel_run(). */
void timer_wheel_add(struct timer_wheel *wheel, struct timer *timer);
void timer_wheel_remove(struct timer *timer);
/* Fires what is due. fn may start and stop any timer, its own included, and free its owner. */
void timer_wheel_run(struct timer_wheel *wheel, uint64_t now_ms);
/* When to call timer_wheel_run() next (perhaps too early, never too late); false: nothing is armed.
 */
bool timer_wheel_next(const struct timer_wheel *wheel, uint64_t *due_ms);
#endif
