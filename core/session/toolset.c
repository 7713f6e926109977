#include "session/toolset.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

struct item {
    const struct registry_tool *tool; /* held; NULL: it is not there */
    size_t entry;                     /* of the agent's tools */
};
struct toolset {
    size_t n;
    struct item item[];
};

static bool has(const struct item *items, size_t n, const struct registry_tool *tool)
{
    for (size_t i = 0; i < n; i++) {
        if (items[i].tool == tool)
            return true;
    }
    return false;
}

/* The tools of a set that are not there already. */
static size_t gather_set(const struct registry *registry, const char *name, size_t entry, struct item *items, size_t n)
{
    const struct registry_tool *list[TOOLSET_MAX];
    size_t found = registry_list(registry, name, list, TOOLSET_MAX, true);

    for (size_t i = 0; i < found; i++) {
        if (n == TOOLSET_MAX || has(items, n, list[i]))
            registry_release_tool(list[i]);
        else
            items[n++] = (struct item){list[i], entry};
    }
    return n;
}

static size_t gather(const struct registry *registry, const struct agent *agent, struct item *items)
{
    size_t n = 0;

    for (size_t i = 0; i < agent->tools_n && n < TOOLSET_MAX; i++) {
        const struct registry_tool *tool = registry_hold_tool(registry, agent->tools[i].name);
        if (tool && (tool->tool.flags & ANTIPHON_TOOL_SET)) {
            registry_release_tool(tool);
            n = gather_set(registry, agent->tools[i].name, i, items, n);
        } else if (tool && has(items, n, tool)) {
            registry_release_tool(tool);
        } else {
            items[n++] = (struct item){tool, i};
        }
    }
    return n;
}

static void release(const struct item *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (items[i].tool)
            registry_release_tool(items[i].tool);
    }
}

enum antiphon_status toolset_new(const struct registry *registry, const struct agent *agent, struct toolset **set)
{
    struct item items[TOOLSET_MAX];
    size_t n = gather(registry, agent, items);
    struct toolset *made = calloc(1, sizeof(*made) + n * sizeof(items[0]));

    if (!made) {
        release(items, n);
        return ANTIPHON_ENOMEM;
    }
    made->n = n;
    if (n > 0)
        memcpy(made->item, items, n * sizeof(items[0]));
    *set = made;
    return ANTIPHON_OK;
}

void toolset_free(struct toolset *set)
{
    if (set)
        release(set->item, set->n);
    free(set);
}

size_t toolset_count(const struct toolset *set)
{
    return set ? set->n : 0;
}

const struct registry_tool *toolset_get(const struct toolset *set, size_t i)
{
    return set && i < set->n ? set->item[i].tool : NULL;
}

const struct registry_tool *toolset_find(const struct toolset *set, const char *name)
{
    for (size_t i = 0; set && i < set->n; i++) {
        if (set->item[i].tool && strcmp(set->item[i].tool->tool.name, name) == 0)
            return set->item[i].tool;
    }
    return NULL;
}

size_t toolset_entry(const struct toolset *set, const struct registry_tool *tool)
{
    for (size_t i = 0; i < set->n; i++) {
        if (set->item[i].tool == tool)
            return set->item[i].entry;
    }
    assert(!"the tool is not of this set");
    return 0;
}
