#include "base/step.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/banned.h"

struct doing {
    enum step step;
    unsigned trail_n;
    unsigned char trail[STEP_MAX_TRAIL];
    enum step came; /* whose message is in hand */
    uint64_t came_us, began_us;
    uint64_t round_us; /* when the round began */
    struct step_round round;
};
static _Thread_local struct doing now;

static const char *const names[STEP_COUNT] = {
    "nothing",
#define STEP(name, text) [STEP_##name] = text,
#include "base/step.def"
#undef STEP
};

/* The callback that ran until then is over. */
static void close_step(uint64_t us)
{
    uint64_t took = us - now.began_us;

    now.round.callbacks++;
    if (took < STEP_LONG_US || took <= now.round.longest_us)
        return;
    now.round.longest_us = took;
    now.round.trail_n = now.trail_n;
    memcpy(now.round.trail, now.trail, sizeof(now.trail));
}

void step_begin(enum step step)
{
    uint64_t us = clock_now_us();

    if (now.step == STEP_NONE) {
        now.round_us = us;
        now.round.callbacks = now.round.trail_n = 0;
        now.round.longest_us = 0;
        metrics_set(METRIC_loop_busy, us);
    } else {
        close_step(us);
    }
    now.step = now.came = step;
    now.began_us = now.came_us = us;
    now.trail[0] = (unsigned char)step;
    now.trail_n = 1;
}

void step_mark(enum step step)
{
    if (now.trail_n < STEP_MAX_TRAIL)
        now.trail_n++;
    now.trail[now.trail_n - 1] = (unsigned char)step;
}

void step_came(enum step step, uint64_t at_us)
{
    now.came = step;
    now.came_us = at_us;
}

uint64_t step_arrival(enum step step)
{
    return now.came == step ? now.came_us : 0;
}

const struct step_round *step_round_end(void)
{
    uint64_t us;

    if (now.step == STEP_NONE)
        return NULL;
    us = clock_now_us();
    close_step(us);
    now.round.us = us - now.round_us;
    now.step = now.came = STEP_NONE;
    metrics_set(METRIC_loop_busy, 0);
    return &now.round;
}

void step_print(const struct step_round *round, char text[STEP_TEXT_SIZE])
{
    size_t len = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < round->trail_n && len < STEP_TEXT_SIZE; i++) {
        int n = snprintf(text + len, STEP_TEXT_SIZE - len, "%s%s", i ? " > " : "", names[round->trail[i]]);
        len += n > 0 ? (size_t)n : 0;
    }
}
