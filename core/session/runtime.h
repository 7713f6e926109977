/* runtime - what all sessions of the process share, gathered once at start by command/serve. Immutable while shards run,
 * but for what guards itself. */
#ifndef SESSION_RUNTIME_H
#define SESSION_RUNTIME_H
#include "base/alarm.h"
#include "base/directory.h"
#include "base/pool.h"
#include "config/agent.h"
#include "config/config.h"
#include "config/profile.h"
#include "net/shard.h"
#include "plugin/isolate.h"
#include "plugin/registry.h"
#include "store/store.h"

struct runtime {
    const struct config *config;      /* borrowed, as all here */
    const struct agents *agents;
    const struct profiles *profiles;
    struct registry *registry;
    struct isolate *isolate;          /* NULL: no plugin has a process of its own */
    struct store *store;
    struct pool *pool;                /* tools */
    struct pool *hooks;               /* workers of their own, so that slow tools delay no hook */
    struct alarms *alarms;            /* on the pool of tools; gone when tool_jobs_set_phase(TOOL_JOBS_ENDING) was called */
    struct directory *directory;
    struct shard *shards[SHARD_MAX];  /* each put down by its own shard before anybody can know of it */
    unsigned shards_n;
    const char *demo_hint;            /* NULL: not a demo */
};
#endif
