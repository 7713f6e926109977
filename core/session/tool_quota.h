/* tool_quota - how often a tool may be called in one conversation, as the agent's policy says. Pure; owned by one session. */
#ifndef SESSION_TOOL_QUOTA_H
#define SESSION_TOOL_QUOTA_H
#include "base/buf.h"
#include "config/agent.h"

#define TOOL_QUOTA_MINUTE_MS 60000u

/* Of one tool. Start zeroed. */
struct tool_quota {
    uint64_t turn;
    uint32_t in_turn;
    uint64_t *at;        /* owned; a ring of the last calls_per_minute times */
    uint32_t n, next;
};
void tool_quota_deinit(struct tool_quota *quota);
/* Counts a call, unless the policy forbids it: EBUSY, and `why` gets a sentence for the model. open: how many calls of the
 * tool are open already. ENOMEM. */
enum antiphon_status tool_quota_take(struct tool_quota *quota, const struct agent_tool_policy *policy, const char *tool,
                                     uint64_t turn, unsigned open, uint64_t now_ms, struct buf *why) MUST_CHECK;
#endif
