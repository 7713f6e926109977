/* loop_watch - notices when the rounds of a shard's loop take long: while one lasts no socket is looked at. Each round
 * counts in antiphon_loop_lag_seconds, one of more than LOOP_WATCH_LAG_US also in antiphon_loop_stalls_total and in
 * the log: a warning at once, then at most one in LOOP_WATCH_QUIET_MS, which tells how many there were meanwhile and
 * the worst of them. [shard] */
#ifndef NET_LOOP_WATCH_H
#define NET_LOOP_WATCH_H
#include <stdbool.h>
#include <uv.h>

#include "base/step.h"

#define LOOP_WATCH_LAG_US   50000u
#define LOOP_WATCH_QUIET_MS 10000u

/* When to say it. Pure; start zeroed. */
struct loop_rule {
    uint64_t next_ms; /* the next line not before that, 0: at once */
    unsigned more;    /* lags without a line since the last one */
    uint64_t worst_us;
};
/* True: say it now, and *rule tells what there was meanwhile until loop_rule_said(). */
bool loop_rule_lag(struct loop_rule *rule, uint64_t us, uint64_t now_ms);
void loop_rule_said(struct loop_rule *rule, uint64_t now_ms);

struct loop_watch {
    uv_prepare_t prepare;
    unsigned shard;
    struct loop_rule rule;
};
void loop_watch_start(struct loop_watch *watch, uv_loop_t *loop, unsigned shard);
void loop_watch_stop(struct loop_watch *watch); /* the loop must run once more before it is closed */
#endif
