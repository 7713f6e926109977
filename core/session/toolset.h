/* toolset - the tools of an agent as they are when a conversation is set up with its model. What was declared there is what is
 * called: a version of a plugin that comes later is for those who make their set later. The tools are held (registry.h), so that
 * the process of an older version lives as long as a conversation may call it. One thread. */
#ifndef SESSION_TOOLSET_H
#define SESSION_TOOLSET_H
#include "config/agent.h"
#include "plugin/registry.h"

#define TOOLSET_MAX 512 /* of one agent; further ones, of sets that it names, are left out */

struct toolset;
/* Of agent->tools, in their order; those that are not there are left open. Where one is a set (ANTIPHON_TOOL_SET) there are
 * those of the set instead. ENOMEM. */
enum antiphon_status toolset_new(const struct registry *registry, const struct agent *agent,
                                 struct toolset **set) MUST_CHECK;
void toolset_free(struct toolset *set);
size_t toolset_count(const struct toolset *set); /* those that are left open too */
/* NULL: there is no such tool, or no set. */
const struct registry_tool *toolset_get(const struct toolset *set, size_t i);
const struct registry_tool *toolset_find(const struct toolset *set, const char *name);
/* Which of agent->tools a tool of the set came from. */
size_t toolset_entry(const struct toolset *set, const struct registry_tool *tool);
#endif
