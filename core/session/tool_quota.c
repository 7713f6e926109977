#include "session/tool_quota.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

void tool_quota_deinit(struct tool_quota *quota)
{
    free(quota->at);
    *quota = (struct tool_quota){0};
}

static enum antiphon_status refuse_turn(const char *tool, uint32_t limit, struct buf *why)
{
    buf_printf(why,
               "Invoking `%s()` failed as it may be called %" PRIu32 " time%s in one turn. Do not call it again "
               "before the user has spoken; answer with what you have.",
               tool, limit, limit == 1 ? "" : "s");
    return ANTIPHON_EBUSY;
}

static enum antiphon_status refuse_open(const char *tool, uint32_t limit, struct buf *why)
{
    buf_printf(why,
               "Invoking `%s()` failed as %" PRIu32 " call%s of it %s running already, and no more are allowed at "
               "once. Wait for the result before you call it again.",
               tool, limit, limit == 1 ? "" : "s", limit == 1 ? "is" : "are");
    return ANTIPHON_EBUSY;
}

static enum antiphon_status refuse_minute(const char *tool, uint32_t limit, uint64_t wait_ms, struct buf *why)
{
    buf_printf(why,
               "Invoking `%s()` failed as it may be called %" PRIu32 " time%s in a minute. It is available again in "
               "%" PRIu64 " seconds.",
               tool, limit, limit == 1 ? "" : "s", (wait_ms + 999) / 1000);
    return ANTIPHON_EBUSY;
}

/* The time of the call that was limit calls ago, which is the next to be overwritten once the ring is full. */
static bool minute_is_full(const struct tool_quota *quota, uint32_t limit, uint64_t now_ms, uint64_t *wait_ms)
{
    if (quota->n < limit || now_ms - quota->at[quota->next] >= TOOL_QUOTA_MINUTE_MS)
        return false;
    *wait_ms = TOOL_QUOTA_MINUTE_MS - (now_ms - quota->at[quota->next]);
    return true;
}

static void count(struct tool_quota *quota, uint32_t limit, uint64_t now_ms)
{
    quota->in_turn++;
    if (limit == 0)
        return;
    quota->at[quota->next] = now_ms;
    quota->next = (quota->next + 1) % limit;
    if (quota->n < limit)
        quota->n++;
}

enum antiphon_status tool_quota_take(struct tool_quota *quota, const struct agent_tool_policy *policy, const char *tool,
                                     uint64_t turn, unsigned open, uint64_t now_ms, struct buf *why)
{
    uint64_t wait_ms = 0;

    if (quota->turn != turn) {
        quota->turn = turn;
        quota->in_turn = 0;
    }
    if (policy->calls_per_minute > 0 && !quota->at) {
        quota->at = calloc(policy->calls_per_minute, sizeof(*quota->at));
        if (!quota->at)
            return ANTIPHON_ENOMEM;
    }
    if (policy->concurrency > 0 && open >= policy->concurrency)
        return refuse_open(tool, policy->concurrency, why);
    if (policy->calls_per_turn > 0 && quota->in_turn >= policy->calls_per_turn)
        return refuse_turn(tool, policy->calls_per_turn, why);
    if (policy->calls_per_minute > 0 && minute_is_full(quota, policy->calls_per_minute, now_ms, &wait_ms))
        return refuse_minute(tool, policy->calls_per_minute, wait_ms, why);
    count(quota, policy->calls_per_minute, now_ms);
    return ANTIPHON_OK;
}
