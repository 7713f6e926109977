#include "plugin/registry_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/thread.h"
#include "plugin/host.h"
#include "plugin/loader.h"
#include "plugin/manifest_check.h"
#include "plugin/registration.h"
#include "base/banned.h"

#define MAX_WHY ERR_MAX_TEXT

enum antiphon_status registry_new(const struct host_services *services, struct registry **registry)
{
    struct registry *made = calloc(1, sizeof(*made));

    if (!made)
        return ANTIPHON_ENOMEM;
    if (services)
        made->services = *services;
    pthread_mutex_init(&made->lock, NULL);
    *registry = made;
    return ANTIPHON_OK;
}

/* With the lock. */
static const struct registry_tool *find_tool(const struct registry *registry, const char *name)
{
    for (size_t i = 0; i < registry->n_tools; i++) {
        if (!registry->tools[i].retired && strcmp(registry->tools[i].tool.name, name) == 0)
            return &registry->tools[i];
    }
    return NULL;
}

const struct registry_tool *registry_tool(const struct registry *registry, const char *name)
{
    registry_lock(registry);
    const struct registry_tool *found = find_tool(registry, name);
    registry_unlock(registry);
    return found;
}

const struct registry_tool *registry_hold_tool(const struct registry *registry, const char *name)
{
    registry_lock(registry); /* it is not retired between the two steps */
    const struct registry_tool *found = find_tool(registry, name);
    if (found)
        registry_hold_again(found);
    registry_unlock(registry);
    return found;
}

void registry_hold_again(const struct registry_tool *tool)
{
    if (tool->users)
        atomic_fetch_add(tool->users, 1);
}

void registry_release_tool(const struct registry_tool *tool)
{
    if (tool->users)
        atomic_fetch_sub(tool->users, 1);
}

bool registry_is_unused(const struct registry *registry, const void *state)
{
    bool unused = false;

    registry_lock(registry);
    for (size_t i = 0; i < registry->n_plugins && !unused; i++) {
        const struct loaded *loaded = &registry->plugins[i];
        unused = loaded->state == state && loaded->retired && atomic_load(&loaded->users) == 0;
    }
    registry_unlock(registry);
    return unused;
}

const struct registry_model *registry_model(const struct registry *registry, const char *name)
{
    for (size_t i = 0; i < registry->n_models; i++) {
        if (strcmp(registry->models[i].model.name, name) == 0)
            return &registry->models[i];
    }
    return NULL;
}

size_t registry_tools(const struct registry *registry, const struct registry_tool **first)
{
    registry_lock(registry);
    size_t n = registry->n_tools;
    registry_unlock(registry);
    *first = registry->tools;
    return n;
}

size_t registry_models(const struct registry *registry, const struct registry_model **first)
{
    *first = registry->models;
    return registry->n_models;
}

size_t registry_hooks(const struct registry *registry, const struct registry_hook **first)
{
    *first = registry->hooks;
    return registry->n_hooks;
}

const struct manifest *registry_manifest(const struct registry *registry, const char *plugin)
{
    for (size_t i = 0; i < registry->n_plugins; i++) {
        if (!registry->plugins[i].retired && strcmp(registry->plugins[i].plugin.name, plugin) == 0)
            return registry->plugins[i].manifest;
    }
    return NULL;
}

void registry_each(const struct registry *registry, registry_each_fn *fn, void *ctx)
{
    for (size_t i = 0; i < registry->n_plugins; i++) {
        if (!registry->plugins[i].retired)
            fn(ctx, registry->plugins[i].plugin.name, registry->plugins[i].plugin.version);
    }
}

bool registry_available(const char *const *dirs, const char *name)
{
    return loader_exists(dirs, name);
}

/* A configuration may hold secrets. */
static void wipe(char *json)
{
    if (!json)
        return;
    explicit_bzero(json, strlen(json));
    free(json);
}

/* Configuration without a source of it: what the schema's defaults give. */
static void keep_first(void *ctx, const char *path, const char *message)
{
    struct err *err = ctx;

    if (err->status == ANTIPHON_OK)
        err_set(err, ANTIPHON_EINVAL, "%s%s%s", path, *path ? ": " : "", message);
}

static enum antiphon_status default_config(const struct jschema *schema, char **json,
                                           struct err *err)
{
    struct err first = {0};
    struct buf text;
    cJSON *object = cJSON_CreateObject();
    enum antiphon_status status = object ? ANTIPHON_OK : ANTIPHON_ENOMEM;

    buf_init(&text, (size_t)1 << 20);
    if (!status && schema)
        status = jschema_check(schema, object, JSCHEMA_FILL_DEFAULTS, keep_first, &first);
    if (!status)
        status = json_print(object, &text);
    if (!status)
        *json = buf_take(&text);
    else
        err_set(err, status, "config: %s", first.status ? first.text : status_name(status));
    buf_deinit(&text);
    cJSON_Delete(object);
    return status;
}

static enum antiphon_status get_config(const struct antiphon_plugin *plugin,
                                       registry_config_fn *config, void *config_ctx, char **json,
                                       struct err *err)
{
    struct jschema *schema = NULL;
    struct err why;
    enum antiphon_status status = ANTIPHON_OK;

    if (plugin->config_schema)
        status = jschema_new("config_schema", plugin->config_schema, &schema, &why);
    if (status)
        return err_set(err, status, "config: %s", why.text);
    if (!config) {
        status = default_config(schema, json, err);
    } else {
        status = config(config_ctx, plugin->name, plugin->config_schema, json);
        if (status)
            err_set(err, status, "config: %s",
                    status == ANTIPHON_EINVAL ? "is not valid, see the faults that were reported"
                                              : status_name(status));
    }
    jschema_free(schema);
    return status;
}

static const char *owner_of(const struct registry *registry, const char *tool, const char *model)
{
    const struct registry_tool *a = tool ? registry_tool(registry, tool) : NULL;
    const struct registry_model *b = model ? registry_model(registry, model) : NULL;

    return a ? a->plugin : b ? b->plugin : NULL;
}

static enum antiphon_status check_room(const struct registry *registry, const struct host *host,
                                       struct err *err)
{
    const struct registry_tool *tools;
    const struct registry_model *models;
    const struct registry_hook *hooks;

    if (host_tools(host, &tools) <= REGISTRY_MAX_TOOLS - registry->n_tools &&
        host_models(host, &models) <= REGISTRY_MAX_MODELS - registry->n_models &&
        host_hooks(host, &hooks) <= REGISTRY_MAX_HOOKS - registry->n_hooks)
        return ANTIPHON_OK;
    return err_set(err, ANTIPHON_EBUSY,
                   "register: more than %d tools, %d models or %d hooks in all, those of replaced versions "
                   "included; a restart makes room for new versions",
                   REGISTRY_MAX_TOOLS, REGISTRY_MAX_MODELS, REGISTRY_MAX_HOOKS);
}

/* replaced: the plugin whose tools do not count, or NULL. */
static enum antiphon_status check_unique(const struct registry *registry, const struct host *host,
                                         const char *replaced, struct err *err)
{
    const struct registry_tool *tools;
    const struct registry_model *models;
    size_t n_tools = host_tools(host, &tools), n_models = host_models(host, &models);
    enum antiphon_status status = check_room(registry, host, err);
    const char *owner;

    for (size_t i = 0; i < n_tools && !status; i++) {
        owner = owner_of(registry, tools[i].tool.name, NULL);
        if (owner && !(replaced && strcmp(owner, replaced) == 0))
            status = err_set(err, ANTIPHON_EEXISTS,
                             "register: tool %s: plugin %s has one of that name", tools[i].tool.name,
                             owner);
    }
    for (size_t i = 0; i < n_models && !status; i++) {
        owner = owner_of(registry, NULL, models[i].model.name);
        if (owner)
            status = err_set(err, ANTIPHON_EEXISTS,
                             "register: model %s: plugin %s has one of that name",
                             models[i].model.name, owner);
    }
    return status;
}

/* Hooks stay in their places while conversations ask them, so a new version must have the same. */
static enum antiphon_status check_same_hooks(const struct registry *registry, const struct host *host,
                                             const char *replaced, struct err *err)
{
    const struct registry_hook *hooks;
    size_t n = host_hooks(host, &hooks), same = 0, had = 0;

    for (size_t i = 0; i < registry->n_hooks; i++) {
        const struct antiphon_hook *old = &registry->hooks[i].hook;
        if (strcmp(registry->hooks[i].plugin, replaced) != 0)
            continue;
        if (had < n && strcmp(hooks[had].hook.name, old->name) == 0 && hooks[had].hook.flags == old->flags &&
            hooks[had].hook.points == old->points && hooks[had].hook.budget_ms == old->budget_ms)
            same++;
        had++;
    }
    if (same == n && had == n)
        return ANTIPHON_OK;
    return err_set(err, ANTIPHON_EUNAVAILABLE, "register: its hooks are not those of the running version; restart the "
                                               "server to use it");
}

static void retire(struct registry *registry, const char *replaced)
{
    for (size_t i = 0; i < registry->n_tools; i++) {
        if (strcmp(registry->tools[i].plugin, replaced) == 0)
            registry->tools[i].retired = true;
    }
    for (size_t i = 0; i < registry->n_plugins; i++) {
        if (strcmp(registry->plugins[i].plugin.name, replaced) == 0)
            registry->plugins[i].retired = true;
    }
}

/* replaced: the plugin whose place this one takes, or NULL. */
static void adopt(struct registry *registry, struct loaded *loaded, const char *replaced)
{
    const struct registry_tool *unused_tool;
    const struct registry_model *unused_model;
    const struct registry_hook *unused_hook;
    size_t n_tools = host_tools(loaded->host, &unused_tool);
    size_t n_models = host_models(loaded->host, &unused_model);
    size_t n_hooks = host_hooks(loaded->host, &unused_hook);
    struct registry_tool *tools;
    struct registry_model *models = registry->models + registry->n_models;
    struct registry_hook *hooks = registry->hooks + registry->n_hooks;

    registry_lock(registry); /* tools may be added at the same time */
    tools = registry->tools + registry->n_tools;
    host_take(loaded->host, tools, models, hooks);
    for (size_t i = 0; i < n_tools; i++) {
        tools[i].state = loaded->state;
        tools[i].users = &loaded->users;
        tools[i].apart = loaded->apart;
    }
    for (size_t i = 0; i < n_models; i++)
        models[i].state = loaded->state;
    for (size_t i = 0; i < n_hooks; i++)
        hooks[i].state = loaded->state;
    for (size_t i = 0; i < n_hooks && replaced; i++)
        registration_hook_free(&hooks[i]); /* the old ones stay */
    if (replaced)
        retire(registry, replaced);
    registry->n_hooks += replaced ? 0 : n_hooks;
    registry->n_tools += n_tools;
    registry->n_models += n_models;
    registry->n_plugins++;
    registry_unlock(registry);
}

static void one_line(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ')
            *text = ' ';
    }
}

static enum antiphon_status check_manifest(const struct loaded *loaded, struct err *err)
{
    enum antiphon_status status = ANTIPHON_OK;

    if (loaded->manifest)
        status = manifest_check_registered(loaded->manifest, loaded->host, err);
    else
        log_warn("plugin", "%s has no manifest; say with ANTIPHON_MANIFEST() what it is and needs",
                 loaded->plugin.name);
    if (status)
        err_prefix(err, "manifest");
    return status;
}

static enum antiphon_status start(const struct registry *registry, struct loaded *loaded,
                                  const char *json, const char *replaced, struct err *err)
{
    char why[MAX_WHY] = "";
    const struct err *fault = host_fault(loaded->host);

    host_begin(loaded->host);
    thread_set_task(loaded->plugin.name, "init", "");
    enum antiphon_status status =
        loaded->plugin.init(host_table(loaded->host), json, &loaded->state, why, sizeof(why));
    thread_set_task(NULL, NULL, NULL);
    host_end(loaded->host);
    bool running = status == ANTIPHON_OK;
    why[sizeof(why) - 1] = '\0';
    one_line(why);
    if (status > ANTIPHON_OK)
        status = ANTIPHON_EINTERNAL;
    if (fault->status) /* the cause, whatever init() made of it */
        status = err_set(err, fault->status, "register: %s", fault->text);
    else if (status)
        err_set(err, status, "init: %s", why[0] ? why : status_name(status));
    else
        status = check_manifest(loaded, err);
    if (!status)
        status = check_unique(registry, loaded->host, replaced, err);
    if (!status && replaced)
        status = check_same_hooks(registry, loaded->host, replaced, err);
    if (status && running && loaded->plugin.shutdown)
        loaded->plugin.shutdown(loaded->state);
    return status;
}

/* The place for one more plugin. */
static enum antiphon_status next_place(struct registry *registry, struct loaded **loaded, struct err *err)
{
    if (registry->n_plugins == REGISTRY_MAX_PLUGINS)
        return err_set(err, ANTIPHON_EBUSY, "find: more than %d plugins, replaced versions included",
                       REGISTRY_MAX_PLUGINS);
    *loaded = &registry->plugins[registry->n_plugins];
    **loaded = (struct loaded){0};
    return ANTIPHON_OK;
}

static enum antiphon_status bring_up(struct registry *registry, struct loaded *loaded, const char *json,
                                     const char *replaced, struct err *err)
{
    enum antiphon_status status = ANTIPHON_OK;

    if (host_new(loaded->plugin.name, &registry->services, &loaded->host))
        status = err_set(err, ANTIPHON_ENOMEM, "init: no memory");
    if (!status) {
        host_set_manifest(loaded->host, loaded->manifest);
        host_set_secrets(loaded->host, loaded->secrets);
        host_on_set_tools(loaded->host, registry_set_tools, registry);
        status = start(registry, loaded, json ? json : "{}", replaced, err);
    }
    if (status)
        host_free(loaded->host);
    else
        adopt(registry, loaded, replaced);
    return status;
}

/* From the descriptor on. secrets: whether they are filled in here. */
static enum antiphon_status configure(struct registry *registry, struct loaded *loaded, registry_config_fn *config,
                                      void *config_ctx, bool secrets, struct err *err)
{
    char *json = NULL;

    if (loaded->manifest && !loaded->plugin.config_schema)
        loaded->plugin.config_schema = manifest_config(loaded->manifest);
    enum antiphon_status status = get_config(&loaded->plugin, config, config_ctx, &json, err);
    if (!status && secrets)
        status = secrets_take(loaded->plugin.config_schema, &json, &loaded->secrets, err);
    if (!status)
        status = bring_up(registry, loaded, json, NULL, err);
    wipe(json);
    if (status) {
        manifest_free(loaded->manifest);
        secrets_free(loaded->secrets);
    }
    return status;
}

static enum antiphon_status said(enum antiphon_status status, const char *name, struct err *err)
{
    if (status)
        err_prefix(err, "plugin %.*s", LOADER_MAX_NAME, name);
    else
        log_debug("plugin", "loaded %s", name);
    return status;
}

enum antiphon_status registry_load(struct registry *registry, const char *const *dirs,
                                   const char *name, registry_config_fn *config, void *config_ctx,
                                   struct err *err)
{
    struct loaded *loaded = NULL;

    if (registry_loaded(registry, name))
        return ANTIPHON_OK;
    enum antiphon_status status = next_place(registry, &loaded, err);
    if (!status)
        status = loader_open(dirs, name, &loaded->plugin, &loaded->manifest, err);
    if (!status)
        status = configure(registry, loaded, config, config_ctx, true, err);
    return said(status, name, err);
}

enum antiphon_status registry_load_fd(struct registry *registry, int fd, const char *name,
                                      registry_config_fn *config, void *config_ctx, struct err *err)
{
    struct loaded *loaded = NULL;
    enum antiphon_status status = next_place(registry, &loaded, err);

    if (!status)
        status = loader_open_fd(fd, name, &loaded->plugin, &loaded->manifest, err);
    return status ? status : configure(registry, loaded, config, config_ctx, false, err);
}

enum antiphon_status registry_add(struct registry *registry, const struct registry_source *source, struct err *err)
{
    struct loaded *loaded = NULL;
    const char *name = source->plugin->name;
    bool there = registry_loaded(registry, name);
    enum antiphon_status status = next_place(registry, &loaded, err);

    if (!status) {
        loaded->plugin = *source->plugin;
        loaded->manifest = source->manifest;
        loaded->state = source->state;
        loaded->apart = true;
        status = bring_up(registry, loaded, source->config, there ? name : NULL, err);
    }
    return status;
}

bool registry_loaded(const struct registry *registry, const char *name)
{
    bool there = false;

    registry_lock(registry);
    for (size_t i = 0; i < registry->n_plugins && !there; i++)
        there = strcmp(registry->plugins[i].plugin.name, name) == 0;
    registry_unlock(registry);
    return there;
}

enum antiphon_status registry_self_test(const struct registry *registry, const char *name, struct err *err)
{
    char why[MAX_WHY] = "";

    for (size_t i = 0; i < registry->n_plugins; i++) {
        const struct loaded *loaded = &registry->plugins[i];
        if (loaded->retired || strcmp(loaded->plugin.name, name) != 0 || !loaded->plugin.self_test)
            continue;
        enum antiphon_status status = loaded->plugin.self_test(loaded->state, why, sizeof(why));
        why[sizeof(why) - 1] = '\0';
        one_line(why);
        if (status > ANTIPHON_OK)
            status = ANTIPHON_EINTERNAL;
        if (status)
            return err_set(err, status, "self_test: %s", why[0] ? why : status_name(status));
    }
    return ANTIPHON_OK;
}

void registry_free(struct registry *registry)
{
    if (!registry)
        return;
    for (size_t i = registry->n_plugins; i-- > 0;) {
        struct loaded *loaded = &registry->plugins[i];
        if (loaded->plugin.shutdown)
            loaded->plugin.shutdown(loaded->state);
        host_free(loaded->host);
        manifest_free(loaded->manifest);
        secrets_free(loaded->secrets);
    }
    for (size_t i = 0; i < registry->n_tools; i++)
        registration_tool_free(&registry->tools[i]);
    for (size_t i = 0; i < registry->n_models; i++)
        registration_model_free(&registry->models[i]);
    for (size_t i = 0; i < registry->n_hooks; i++)
        registration_hook_free(&registry->hooks[i]);
    pthread_mutex_destroy(&registry->lock);
    free(registry);
}
