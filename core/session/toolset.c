#include "session/toolset.h"

#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

struct toolset {
    size_t n;
    const struct registry_tool *tool[]; /* held */
};

enum antiphon_status toolset_new(const struct registry *registry, const struct agent *agent, struct toolset **set)
{
    struct toolset *made = calloc(1, sizeof(*made) + agent->tools_n * sizeof(made->tool[0]));

    if (!made)
        return ANTIPHON_ENOMEM;
    made->n = agent->tools_n;
    for (size_t i = 0; i < made->n; i++)
        made->tool[i] = registry_hold_tool(registry, agent->tools[i].name);
    *set = made;
    return ANTIPHON_OK;
}

void toolset_free(struct toolset *set)
{
    for (size_t i = 0; set && i < set->n; i++) {
        if (set->tool[i])
            registry_release_tool(set->tool[i]);
    }
    free(set);
}

const struct registry_tool *toolset_get(const struct toolset *set, size_t i)
{
    return set && i < set->n ? set->tool[i] : NULL;
}

const struct registry_tool *toolset_find(const struct toolset *set, const char *name)
{
    for (size_t i = 0; set && i < set->n; i++) {
        if (set->tool[i] && strcmp(set->tool[i]->tool.name, name) == 0)
            return set->tool[i];
    }
    return NULL;
}
