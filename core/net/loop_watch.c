#include "net/loop_watch.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/banned.h"

bool loop_rule_lag(struct loop_rule *rule, uint64_t us, uint64_t now_ms)
{
    if (now_ms >= rule->next_ms)
        return true;
    rule->more++;
    if (us > rule->worst_us)
        rule->worst_us = us;
    return false;
}

void loop_rule_said(struct loop_rule *rule, uint64_t now_ms)
{
    *rule = (struct loop_rule){.next_ms = now_ms + LOOP_WATCH_QUIET_MS};
}

static void on_lag(struct loop_watch *watch, const struct step_round *round)
{
    uint64_t now_ms = clock_now_ms();
    char steps[STEP_TEXT_SIZE], longest[STEP_TEXT_SIZE + 64] = "", more[96] = "";

    metrics_add(METRIC_loop_stalls, 1);
    if (!loop_rule_lag(&watch->rule, round->us, now_ms))
        return;
    if (round->longest_us) {
        step_print(round, steps);
        (void)snprintf(longest, sizeof(longest), ", the longest %llu ms: %s",
                       (unsigned long long)round->longest_us / 1000, steps);
    }
    if (watch->rule.more)
        (void)snprintf(more, sizeof(more), "; %u more since the last line, up to %llu ms", watch->rule.more,
                       (unsigned long long)watch->rule.worst_us / 1000);
    log_warn("loop", "shard=%u lagged %llu ms callbacks=%u%s%s", watch->shard,
             (unsigned long long)round->us / 1000, round->callbacks, longest, more);
    loop_rule_said(&watch->rule, now_ms);
}

static void on_prepare(uv_prepare_t *prepare)
{
    const struct step_round *round = step_round_end();

    if (!round)
        return;
    metrics_observe(HISTOGRAM_loop_lag, round->us);
    if (round->us > LOOP_WATCH_LAG_US)
        on_lag(prepare->data, round);
}

void loop_watch_start(struct loop_watch *watch, uv_loop_t *loop, unsigned shard)
{
    watch->shard = shard;
    uv_prepare_init(loop, &watch->prepare);
    watch->prepare.data = watch;
    uv_prepare_start(&watch->prepare, on_prepare);
    uv_unref((uv_handle_t *)&watch->prepare);
}

void loop_watch_stop(struct loop_watch *watch)
{
    uv_close((uv_handle_t *)&watch->prepare, NULL);
}
