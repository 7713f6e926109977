/* registry - loaded plugins and what they registered. [main] to load and free, and whoever calls registry_add(); lookups
 * from any thread, meanwhile too: what is added becomes visible as a whole. Plugins are never dlclosed. */
#ifndef PLUGIN_REGISTRY_H
#define PLUGIN_REGISTRY_H
#include <stdatomic.h>

#include "antiphon/plugin.h"
#include "base/err.h"
#include "base/jschema.h"

/* In all, those that were replaced by newer versions included. */
#define REGISTRY_MAX_PLUGINS 1024
#define REGISTRY_MAX_TOOLS 4096
#define REGISTRY_MAX_MODELS 64
#define REGISTRY_MAX_HOOKS 128

/* What the host functions of plugin.h call, one for one; filled in by command/serve, because the layers that do
 * the work lie above this one. A NULL entry answers ANTIPHON_EUNAVAILABLE (or does nothing). Arguments were
 * checked (host.h); the structs they point to, handlers included, are borrowed for the call only. */
struct host_services {
    void *ctx;
    void (*finish)(void *ctx, struct antiphon_call *call, enum antiphon_status status, const char *text,
                   size_t len);
    bool (*cancelled)(void *ctx, const struct antiphon_call *call);
    void (*progress)(void *ctx, struct antiphon_call *call, const char *text, size_t len);
    enum antiphon_status (*receipt)(void *ctx, struct antiphon_call *call, const char *json, size_t len);
    enum antiphon_status (*publish)(void *ctx, struct antiphon_call *call, const char *plugin, const char *name,
                                    const char *json, size_t len);
    enum antiphon_status (*state_get)(void *ctx, const struct antiphon_call *call, const char *key, char *json,
                                      size_t size, size_t *len);
    enum antiphon_status (*state_set)(void *ctx, struct antiphon_call *call, const char *key, const char *json,
                                      size_t len);
    void (*decide)(void *ctx, struct antiphon_check *check, enum antiphon_verdict verdict, const char *text,
                   size_t len);
    enum antiphon_status (*notify)(void *ctx, const char *plugin, const struct antiphon_notice *notice);
    enum antiphon_status (*store_get)(void *ctx, const char *plugin, const char *user_id, const char *key,
                                      char *value, size_t size, size_t *len);
    enum antiphon_status (*store_put)(void *ctx, const char *plugin, const char *user_id, const char *key,
                                      const char *value, size_t len);
    enum antiphon_status (*store_find)(void *ctx, const char *plugin, const struct antiphon_store_query *query,
                                       antiphon_row_fn *row, void *row_ctx);
    enum antiphon_status (*timer_start)(void *ctx, const char *plugin, uint64_t delay_ms, antiphon_timer_fn *fn,
                                        void *fn_ctx, uint64_t *timer);
    bool (*timer_cancel)(void *ctx, const char *plugin, uint64_t timer);
    void (*emit)(void *ctx, antiphon_sink sink, const struct antiphon_event *event);
    void (*wake)(void *ctx, antiphon_sink sink);
    enum antiphon_status (*ws_open)(void *ctx, antiphon_sink sink, const struct antiphon_ws_request *request,
                                    const struct antiphon_ws_handlers *handlers, void *handlers_ctx,
                                    struct antiphon_ws **ws);
    enum antiphon_status (*ws_send)(void *ctx, struct antiphon_ws *ws, enum antiphon_ws_kind kind,
                                    const struct antiphon_span *parts, size_t n);
    void (*ws_close)(void *ctx, struct antiphon_ws *ws, int code, const char *reason);
    enum antiphon_status (*http)(void *ctx, const struct antiphon_http_request *request,
                                 antiphon_http_done_fn *done, void *done_ctx);
    void (*tools_changed)(void *ctx); /* set_tools() has put others into the registry */
};

/* Finds the configuration of a plugin (config_plugin() above this layer). On EINVAL the faults were reported. */
typedef enum antiphon_status registry_config_fn(void *ctx, const char *plugin, const char *schema_text,
                                                char **config_json);

struct manifest;
struct registry;
enum antiphon_status registry_new(const struct host_services *services, struct registry **registry)
    MUST_CHECK;

/* Looks for <name>.so in dirs (NULL-terminated, first hit wins), then in order: file and ELF checks -> open
 * (RTLD_NOW | RTLD_LOCAL) -> symbol -> struct size -> name -> config -> init -> names unique and schemas compile
 * (loader.h, registration.h). config NULL: the defaults of the plugin's schema. err is one line:
 * "plugin NAME: STEP: REASON" with the steps name, find, file, elf, manifest, open, symbol, struct,
 * config, init, register.
 * A plugin that fails leaves nothing behind. Loading a name again is OK and does nothing. */
enum antiphon_status registry_load(struct registry *registry, const char *const *dirs, const char *name,
                                   registry_config_fn *config, void *config_ctx, struct err *err) MUST_CHECK;
/* The same for a file that was found, checked and copied before, without the steps up to manifest; err is
 * "STEP: REASON". */
enum antiphon_status registry_load_fd(struct registry *registry, int fd, const char *name,
                                      registry_config_fn *config, void *config_ctx, struct err *err) MUST_CHECK;
/* A plugin that is not in this process: what init() registers stands for it. One of a name that is there replaces it for
 * all look-ups from now on; what was looked up before stays valid, and its hooks stay in their place (they must be the
 * same). One thread at a time, any one. err is "STEP: REASON". */
struct registry_source {
    const struct antiphon_plugin *plugin; /* copied; its texts are borrowed for ever */
    struct manifest *manifest;            /* or NULL; taken if this succeeds */
    void *state;                          /* what init() finds in *state */
    const char *config;                   /* JSON, already valid */
};
enum antiphon_status registry_add(struct registry *registry, const struct registry_source *source,
                                  struct err *err) MUST_CHECK;
bool registry_loaded(const struct registry *registry, const char *name);
/* The plugin's self_test(), if it has one. err is "self_test: REASON". */
enum antiphon_status registry_self_test(const struct registry *registry, const char *name,
                                        struct err *err) MUST_CHECK;
/* True if <name>.so exists in one of dirs. */
bool registry_available(const char *const *dirs, const char *name);
/* shutdown() of all, in reverse order. */
void registry_free(struct registry *registry);

struct registry_tool {
    const char *plugin;
    struct antiphon_tool tool;     /* full-size copy, all texts owned by the registry */
    const struct jschema *schema;  /* compiled params_schema or NULL */
    void *state;                   /* for invoke() and cancel() */
    bool apart;                    /* in a process of its own, whose keeper says in the log when a call is late */
    bool retired;                  /* the registry's own: look-ups pass it over */
    atomic_uint *users;            /* likewise: how often tools of its plugin are held; NULL: nobody counts */
};
struct registry_model {
    const char *plugin;
    struct antiphon_model model;
    void *state;
};
struct registry_hook {
    const char *plugin;
    struct antiphon_hook hook;     /* full-size copy, name owned by the registry */
    void *state;
};
const struct registry_tool *registry_tool(const struct registry *registry, const char *name);
const struct registry_model *registry_model(const struct registry *registry, const char *name);
/* A tool that is to be called: while it is held, the process of an isolated plugin stays for it, even if a newer version
 * has taken its place. Each hold is ended by one release; the tool's memory stays valid for ever. Any thread. NULL: none of
 * that name. */
const struct registry_tool *registry_hold_tool(const struct registry *registry, const char *name);
void registry_hold_again(const struct registry_tool *tool); /* one that is held by the caller */
void registry_release_tool(const struct registry_tool *tool);
/* The plugin with that state was replaced, and none of its tools is held: nobody will call it any more. Any thread. */
bool registry_is_unused(const struct registry *registry, const void *state);
/* Those of a set (NULL: all) that look-ups find, held or not; how many there are of them, at most max. */
size_t registry_list(const struct registry *registry, const char *set, const struct registry_tool **list, size_t max,
                     bool hold);
/* Puts these in the place of the plugin's tools; any thread. All of tools is taken if it answers OK. Those that are the
 * same stay where they are. EUNAVAILABLE: no such plugin is loaded; EEXISTS; EBUSY: no room (what was replaced keeps its
 * place). ctx: the registry. */
enum antiphon_status registry_set_tools(void *ctx, const char *plugin, struct registry_tool *tools, size_t n,
                                        struct err *err) MUST_CHECK;
/* All, replaced ones included. */
size_t registry_tools(const struct registry *registry, const struct registry_tool **first);
size_t registry_models(const struct registry *registry, const struct registry_model **first);
/* All, in the order in which they are asked. */
size_t registry_hooks(const struct registry *registry, const struct registry_hook **first);
/* NULL: no such plugin is loaded, or it has none. */
const struct manifest *registry_manifest(const struct registry *registry, const char *plugin);
typedef void registry_each_fn(void *ctx, const char *name, const char *version);
void registry_each(const struct registry *registry, registry_each_fn *fn, void *ctx);
#endif
