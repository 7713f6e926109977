#include "plugin/registry_impl.h"

#include <string.h>

#include "plugin/registration.h"
#include "base/banned.h"

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same(const struct antiphon_tool *a, const struct antiphon_tool *b)
{
    return a->flags == b->flags && a->timeout_ms == b->timeout_ms && a->invoke == b->invoke &&
           a->cancel == b->cancel && a->undo == b->undo && same_text(a->name, b->name) &&
           same_text(a->description, b->description) && same_text(a->params_schema, b->params_schema) &&
           same_text(a->native_feature, b->native_feature) && same_text(a->native_fragment, b->native_fragment) &&
           same_text(a->scheduling, b->scheduling) && same_text(a->set, b->set);
}

/* All with the lock. */

static struct loaded *find_plugin(struct registry *registry, const char *plugin)
{
    for (size_t i = 0; i < registry->n_plugins; i++) {
        if (!registry->plugins[i].retired && strcmp(registry->plugins[i].plugin.name, plugin) == 0)
            return &registry->plugins[i];
    }
    return NULL;
}

static enum antiphon_status check_names(const struct registry *registry, const char *plugin,
                                        const struct registry_tool *tools, size_t n, struct err *err)
{
    for (size_t i = 0; i < registry->n_tools; i++) {
        const struct registry_tool *other = &registry->tools[i];
        if (other->retired || strcmp(other->plugin, plugin) == 0)
            continue;
        for (size_t k = 0; k < n; k++) {
            if (strcmp(other->tool.name, tools[k].tool.name) == 0)
                return err_set(err, ANTIPHON_EEXISTS, "tool %s: plugin %s has one of that name", other->tool.name,
                               other->plugin);
        }
    }
    return ANTIPHON_OK;
}

/* Those that stay are taken out of tools; the others of the plugin are retired. */
static void keep_same(struct registry *registry, const char *plugin, struct registry_tool *tools, size_t n)
{
    for (size_t i = 0; i < registry->n_tools; i++) {
        struct registry_tool *old = &registry->tools[i];
        bool stays = false;
        if (old->retired || strcmp(old->plugin, plugin) != 0)
            continue;
        for (size_t k = 0; k < n && !stays; k++) {
            stays = tools[k].tool.name && is_same(&old->tool, &tools[k].tool);
            if (stays)
                registration_tool_free(&tools[k]);
        }
        old->retired = !stays;
    }
}

enum antiphon_status registry_set_tools(void *ctx, const char *plugin, struct registry_tool *tools, size_t n,
                                        struct err *err)
{
    struct registry *registry = ctx;
    enum antiphon_status status;

    registry_lock(registry);
    struct loaded *loaded = find_plugin(registry, plugin);
    if (!loaded)
        status = err_set(err, ANTIPHON_EUNAVAILABLE, "the plugin is not loaded yet");
    else if (n + HOST_MAX_TOOLS > REGISTRY_MAX_TOOLS - registry->n_tools) /* leaves room for one plugin more */
        status = err_set(err, ANTIPHON_EBUSY, "there is no room for more changes; restart the server");
    else
        status = check_names(registry, plugin, tools, n, err);
    if (!status)
        keep_same(registry, plugin, tools, n);
    for (size_t i = 0; i < n && !status; i++) {
        if (!tools[i].tool.name)
            continue;
        tools[i].plugin = loaded->plugin.name;
        tools[i].state = loaded->state;
        tools[i].users = &loaded->users;
        tools[i].apart = loaded->apart;
        registry->tools[registry->n_tools++] = tools[i];
    }
    registry_unlock(registry);
    return status;
}

size_t registry_list(const struct registry *registry, const char *set, const struct registry_tool **list, size_t max,
                     bool hold)
{
    size_t n = 0;

    registry_lock(registry);
    for (size_t i = 0; i < registry->n_tools && n < max; i++) {
        const struct registry_tool *tool = &registry->tools[i];
        if (tool->retired || (set && !same_text(tool->tool.set, set)))
            continue;
        if (hold)
            registry_hold_again(tool);
        list[n++] = tool;
    }
    registry_unlock(registry);
    return n;
}
