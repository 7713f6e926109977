#include "plugin/registry.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "plugin/host.h"
#include "plugin/loader.h"
#include "plugin/manifest_check.h"
#include "plugin/registration.h"
#include "base/banned.h"

#define MAX_WHY ERR_MAX_TEXT

struct loaded {
    struct antiphon_plugin plugin; /* its texts live in the library, which is never unloaded */
    struct host *host;             /* owned */
    struct manifest *manifest;     /* owned; NULL: it has none */
    struct secrets *secrets;       /* owned */
    void *state;                   /* the plugin's */
};

struct registry {
    struct host_services services;
    struct loaded plugins[REGISTRY_MAX_PLUGINS];
    /* Full-size from the start, so that what a lookup answered stays in its place. */
    struct registry_tool tools[REGISTRY_MAX_TOOLS];
    struct registry_model models[REGISTRY_MAX_MODELS];
    struct registry_hook hooks[REGISTRY_MAX_HOOKS];
    size_t n_plugins, n_tools, n_models, n_hooks;
};

enum antiphon_status registry_new(const struct host_services *services, struct registry **registry)
{
    struct registry *made = calloc(1, sizeof(*made));

    if (!made)
        return ANTIPHON_ENOMEM;
    if (services)
        made->services = *services;
    *registry = made;
    return ANTIPHON_OK;
}

const struct registry_tool *registry_tool(const struct registry *registry, const char *name)
{
    for (size_t i = 0; i < registry->n_tools; i++) {
        if (strcmp(registry->tools[i].tool.name, name) == 0)
            return &registry->tools[i];
    }
    return NULL;
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
    *first = registry->tools;
    return registry->n_tools;
}

size_t registry_hooks(const struct registry *registry, const struct registry_hook **first)
{
    *first = registry->hooks;
    return registry->n_hooks;
}

const struct manifest *registry_manifest(const struct registry *registry, const char *plugin)
{
    for (size_t i = 0; i < registry->n_plugins; i++) {
        if (strcmp(registry->plugins[i].plugin.name, plugin) == 0)
            return registry->plugins[i].manifest;
    }
    return NULL;
}

void registry_each(const struct registry *registry, registry_each_fn *fn, void *ctx)
{
    for (size_t i = 0; i < registry->n_plugins; i++)
        fn(ctx, registry->plugins[i].plugin.name, registry->plugins[i].plugin.version);
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

/* Keeps the secrets of the configuration, and keeps those for the host only from the plugin. */
static enum antiphon_status take_secrets(struct loaded *loaded, char **json, struct err *err)
{
    const char *schema_text = loaded->plugin.config_schema;
    cJSON *schema = schema_text ? cJSON_Parse(schema_text) : NULL, *config = cJSON_Parse(*json ? *json : "{}");
    struct buf text;
    enum antiphon_status status = config ? ANTIPHON_OK : ANTIPHON_ENOMEM;

    buf_init(&text, (size_t)1 << 20);
    if (!status)
        status = secrets_new(schema, config, &loaded->secrets);
    if (!status)
        status = json_print(config, &text);
    if (status) {
        err_set(err, status, "config: %s",
                status == ANTIPHON_ETOOBIG ? "it has too many secrets, or is too long" : status_name(status));
    } else {
        wipe(*json);
        *json = buf_take(&text);
    }
    buf_deinit(&text);
    cJSON_Delete(schema);
    cJSON_Delete(config);
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

static enum antiphon_status check_unique(const struct registry *registry, const struct host *host,
                                         struct err *err)
{
    const struct registry_tool *tools;
    const struct registry_model *models;
    const struct registry_hook *hooks;
    size_t n_tools = host_tools(host, &tools), n_models = host_models(host, &models);
    const char *owner;

    if (n_tools > REGISTRY_MAX_TOOLS - registry->n_tools ||
        n_models > REGISTRY_MAX_MODELS - registry->n_models ||
        host_hooks(host, &hooks) > REGISTRY_MAX_HOOKS - registry->n_hooks)
        return err_set(err, ANTIPHON_EBUSY,
                       "register: more than %d tools, %d models or %d hooks in all",
                       REGISTRY_MAX_TOOLS, REGISTRY_MAX_MODELS, REGISTRY_MAX_HOOKS);
    for (size_t i = 0; i < n_tools; i++) {
        owner = owner_of(registry, tools[i].tool.name, NULL);
        if (owner)
            return err_set(err, ANTIPHON_EEXISTS,
                           "register: tool %s: plugin %s has one of that name", tools[i].tool.name,
                           owner);
    }
    for (size_t i = 0; i < n_models; i++) {
        owner = owner_of(registry, NULL, models[i].model.name);
        if (owner)
            return err_set(err, ANTIPHON_EEXISTS,
                           "register: model %s: plugin %s has one of that name",
                           models[i].model.name, owner);
    }
    return ANTIPHON_OK;
}

static void adopt(struct registry *registry, struct loaded *loaded)
{
    const struct registry_tool *unused_tool;
    const struct registry_model *unused_model;
    const struct registry_hook *unused_hook;
    size_t n_tools = host_tools(loaded->host, &unused_tool);
    size_t n_models = host_models(loaded->host, &unused_model);
    size_t n_hooks = host_hooks(loaded->host, &unused_hook);
    struct registry_tool *tools = registry->tools + registry->n_tools;
    struct registry_model *models = registry->models + registry->n_models;
    struct registry_hook *hooks = registry->hooks + registry->n_hooks;

    host_take(loaded->host, tools, models, hooks);
    for (size_t i = 0; i < n_tools; i++)
        tools[i].state = loaded->state;
    for (size_t i = 0; i < n_models; i++)
        models[i].state = loaded->state;
    for (size_t i = 0; i < n_hooks; i++)
        hooks[i].state = loaded->state;
    registry->n_hooks += n_hooks;
    registry->n_tools += n_tools;
    registry->n_models += n_models;
    registry->n_plugins++;
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
                                  const char *json, struct err *err)
{
    char why[MAX_WHY] = "";
    const struct err *fault = host_fault(loaded->host);

    host_begin(loaded->host);
    enum antiphon_status status =
        loaded->plugin.init(host_table(loaded->host), json, &loaded->state, why, sizeof(why));
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
        status = check_unique(registry, loaded->host, err);
    if (status && running && loaded->plugin.shutdown)
        loaded->plugin.shutdown(loaded->state);
    return status;
}

static enum antiphon_status load(struct registry *registry, const char *const *dirs,
                                 const char *name, registry_config_fn *config, void *config_ctx,
                                 struct err *err)
{
    struct loaded *loaded = &registry->plugins[registry->n_plugins];
    char *json = NULL;

    if (registry->n_plugins == REGISTRY_MAX_PLUGINS)
        return err_set(err, ANTIPHON_EBUSY, "find: more than %d plugins", REGISTRY_MAX_PLUGINS);
    *loaded = (struct loaded){0};
    enum antiphon_status status =
        loader_open(dirs, name, &loaded->plugin, &loaded->manifest, err);
    if (!status && loaded->manifest && !loaded->plugin.config_schema)
        loaded->plugin.config_schema = manifest_config(loaded->manifest);
    if (!status)
        status = get_config(&loaded->plugin, config, config_ctx, &json, err);
    if (!status)
        status = take_secrets(loaded, &json, err);
    if (!status && host_new(loaded->plugin.name, &registry->services, &loaded->host))
        status = err_set(err, ANTIPHON_ENOMEM, "init: no memory");
    if (!status) {
        host_set_manifest(loaded->host, loaded->manifest);
        host_set_secrets(loaded->host, loaded->secrets);
        status = start(registry, loaded, json ? json : "{}", err);
    }
    wipe(json);
    if (status) {
        host_free(loaded->host);
        manifest_free(loaded->manifest);
        secrets_free(loaded->secrets);
    } else {
        adopt(registry, loaded);
    }
    return status;
}

enum antiphon_status registry_load(struct registry *registry, const char *const *dirs,
                                   const char *name, registry_config_fn *config, void *config_ctx,
                                   struct err *err)
{
    for (size_t i = 0; i < registry->n_plugins; i++) {
        if (strcmp(registry->plugins[i].plugin.name, name) == 0)
            return ANTIPHON_OK;
    }
    enum antiphon_status status = load(registry, dirs, name, config, config_ctx, err);
    if (status)
        err_prefix(err, "plugin %.*s", LOADER_MAX_NAME, name);
    else
        log_debug("plugin", "loaded %s", name);
    return status;
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
    free(registry);
}
