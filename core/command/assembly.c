#include "command/assembly.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "command/start_watch.h"
#include "config/config_isolation.h"
#include "config/mcp_toolset.h"
#include "base/banned.h"

#define MAX_TOOL_PATH 64

static enum antiphon_status plugin_config(void *ctx, const char *plugin, const char *schema_text, char **json)
{
    struct assembly *assembly = ctx;

    return config_plugin(assembly->config, plugin, schema_text, assembly->report, json);
}

enum antiphon_status assembly_load_config(struct assembly *assembly, const struct config_flags *flags,
                                          struct report *report)
{
    enum antiphon_status status = config_load(flags, report, &assembly->config);

    /* Whoever mends the settings wants to hear of the agents too. */
    if (status && assembly->config &&
        agents_load(assembly->config->agents_dir, assembly->config->default_agent, report, &assembly->agents))
        status = ANTIPHON_EINVAL;
    return status;
}

/* Where the agent's file has the name of its tool. */
static const char *tool_path(size_t index, char path[MAX_TOOL_PATH])
{
    (void)snprintf(path, MAX_TOOL_PATH, "tools[%zu].name", index);
    return path;
}

static const char *const *dirs_of(const struct assembly *assembly)
{
    return (const char *const *)assembly->config->plugin_dirs;
}

static void note_failed(struct assembly *assembly, const char *name)
{
    if (assembly->failed_n < REGISTRY_MAX_PLUGINS && (assembly->failed[assembly->failed_n] = strdup(name)))
        assembly->failed_n++;
}

static bool has_failed(const struct assembly *assembly, const char *name)
{
    for (size_t i = 0; i < assembly->failed_n; i++) {
        if (strcmp(assembly->failed[i], name) == 0)
            return true;
    }
    return false;
}

static enum antiphon_status load_here(struct assembly *assembly, const char *const *dirs, const char *name,
                                      struct err *err)
{
    if (assembly->watch)
        start_watch_plugin(assembly->watch, name);
    enum antiphon_status status = registry_load(assembly->registry, dirs, name, plugin_config, assembly, err);
    if (assembly->watch)
        start_watch_plugin(assembly->watch, NULL);
    return status;
}

enum antiphon_status assembly_load_plugin(struct assembly *assembly, const char *name, struct report *report,
                                          bool *process, struct err *err)
{
    const char *const *dirs = dirs_of(assembly);
    struct config_isolation isolation = {0};
    enum antiphon_status status = config_isolation(assembly->config, name, report, &isolation);

    assembly->report = report;
    *process = isolation.process;
    if (status)
        return err_set(err, status, "plugin %s: config: is not valid", name);
    if (!assembly->runner)
        *process = false;
    if (!*process)
        return load_here(assembly, dirs, name, err);
    const struct isolate_limits limits = {.memory = (uint64_t)isolation.memory_mb << 20};
    return isolate_load(assembly->isolate, dirs, name, &limits, err);
}

static void load_plugin(struct assembly *assembly, const char *name, const char *file, int line,
                        struct report *report)
{
    const char *const *dirs = dirs_of(assembly);
    unsigned before = report->faults;
    struct err err = {0};
    bool process = false;

    if (has_failed(assembly, name) || registry_loaded(assembly->registry, name))
        return;
    if (assembly->config->safe_mode && !config_isolation_is_shipped(assembly->config, name)) {
        log_warn("plugin", "%s is not loaded: safe mode", name);
        assembly->lame = true;
        note_failed(assembly, name);
        return;
    }
    if (!assembly_load_plugin(assembly, name, report, &process, &err))
        return;
    note_failed(assembly, name);
    if (report->faults != before)
        return;
    if (assembly->bears_failures && process && registry_available(dirs, name)) {
        log_error("plugin", "%s", err.text);
        assembly->lame = true;
    } else {
        report_fault(report, file, line, 0, "", "%s", err.text);
    }
}

void assembly_look_again(struct assembly *assembly)
{
    catalog_free(assembly->catalog);
    assembly->catalog = NULL;
}

static const struct catalog *read_catalog(struct assembly *assembly)
{
    if (!assembly->catalog && catalog_read(dirs_of(assembly), &assembly->catalog))
        log_error("plugin", "out of memory while the plugin folders were read");
    return assembly->catalog;
}

const char *assembly_owner(struct assembly *assembly, const char *tool, const char **other)
{
    const struct catalog *all = read_catalog(assembly);
    const char *first = all ? catalog_owner(all, tool, 0) : NULL;

    *other = all ? catalog_owner(all, tool, 1) : NULL;
    for (size_t i = 0; first && assembly->config->safe_mode; i++) {
        const char *name = catalog_owner(all, tool, i);
        if (!name)
            break;
        if (config_isolation_is_shipped(assembly->config, name)) {
            *other = NULL;
            return name;
        }
    }
    return first;
}

/* By the name of a file first and by the only manifest then, for all agents, so that their order does not matter. */
enum pass { BY_NAME, BY_MANIFEST, AMBIGUOUS };

static void load_tool(struct assembly *assembly, const struct agent *agent, size_t index, enum pass pass,
                      struct report *report)
{
    const struct agent_tool *wanted = &agent->tools[index];
    bool named = registry_available(dirs_of(assembly), wanted->name);
    const char *owner, *other = NULL;
    char path[MAX_TOOL_PATH];

    if (registry_tool(assembly->registry, wanted->name))
        return;
    if (named && pass == BY_NAME)
        load_plugin(assembly, wanted->name, agent->file, wanted->line, report);
    if (named || pass == BY_NAME)
        return;
    owner = assembly_owner(assembly, wanted->name, &other);
    if (owner && !other)
        load_plugin(assembly, owner, agent->file, wanted->line, report);
    else if (owner && pass == AMBIGUOUS)
        report_fault(report, agent->file, wanted->line, 0, tool_path(index, path),
                     "the plugins %s and %s both have a tool '%s': name the one that is meant under `plugins:` of the "
                     "settings",
                     owner, other, wanted->name);
}

/* What the settings name, and what has the tools that agents name. */
static void load_named(struct assembly *assembly, struct report *report)
{
    const cJSON *entry;
    size_t n = assembly->agents ? agents_count(assembly->agents) : 0;

    cJSON_ArrayForEach(entry, assembly->config->plugins)
        load_plugin(assembly, entry->string, NULL, 0, report);
    for (size_t i = 0; i < n; i++) {
        const char *provider = agents_at(assembly->agents, i)->live.provider;
        if (!registry_model(assembly->registry, provider))
            load_plugin(assembly, provider, NULL, 0, report);
    }
    for (enum pass pass = BY_NAME; pass <= AMBIGUOUS; pass++) {
        for (size_t i = 0; i < n; i++) {
            const struct agent *agent = agents_at(assembly->agents, i);
            for (size_t t = 0; t < agent->tools_n; t++)
                load_tool(assembly, agent, t, pass, report);
        }
    }
}

static const char *nearest_tool(struct assembly *assembly, const char *name)
{
    const char *names[2 * REGISTRY_MAX_TOOLS];
    const struct registry_tool *tools = NULL;
    size_t n = registry_tools(assembly->registry, &tools);

    for (size_t i = 0; i < n; i++)
        names[i] = tools[i].tool.name;
    if (read_catalog(assembly))
        n += catalog_tools(assembly->catalog, names + n, REGISTRY_MAX_TOOLS);
    return jschema_nearest(name, names, n);
}

/* What is reported elsewhere, with its reason: a plugin that should have the tool and failed, or two that have it. */
static bool is_explained(struct assembly *assembly, const char *tool)
{
    const char *other, *owner;

    if (registry_available(dirs_of(assembly), tool))
        return has_failed(assembly, tool);
    owner = assembly_owner(assembly, tool, &other);
    return owner && (other || has_failed(assembly, owner));
}

static bool has_functions(const struct assembly *assembly, const struct agent *agent)
{
    for (size_t i = 0; i < agent->tools_n; i++) {
        const struct registry_tool *tool = registry_tool(assembly->registry, agent->tools[i].name);
        if (tool && !tool->tool.native_feature)
            return true;
    }
    return false;
}

static void check_tool(struct assembly *assembly, const struct agent *agent, size_t index,
                       const struct profile *profile, struct report *report)
{
    const struct agent_tool *wanted = &agent->tools[index];
    const struct registry_tool *tool = registry_tool(assembly->registry, wanted->name);
    char path[MAX_TOOL_PATH];

    (void)tool_path(index, path);
    if (!tool && assembly->lame) {
        log_warn("agent", "agent=%s cannot be talked to: its tool %s is not there", agent->folder, wanted->name);
        return;
    }
    if (!tool) {
        const char *nearest = nearest_tool(assembly, wanted->name);
        if (!is_explained(assembly, wanted->name))
            report_fault(report, agent->file, wanted->line, 0, path,
                         "unknown tool '%s'%s%s%s: no plugin in the plugin folders says that it has it; one without a "
                         "manifest is named under `plugins:` of the settings",
                         wanted->name, nearest ? " (did you mean '" : "", nearest ? nearest : "",
                         nearest ? "'?)" : "");
        return;
    }
    if (wanted->args)
        report_fault(report, agent->file, wanted->line, 0, path, "the tool '%s' takes no args", wanted->name);
    if (!tool->tool.native_feature || tool->tool.invoke)
        return;
    if (profile_native(profile, tool->tool.native_feature) && !profile_mixes(profile) && has_functions(assembly, agent))
        report_warn(report, agent->file, wanted->line, 0, path,
                    "the model '%s' refuses its own %s beside functions, and there is no function for it; the tool is left out",
                    agent->model, tool->tool.native_feature);
    else if (!profile_native(profile, tool->tool.native_feature))
        report_warn(report, agent->file, wanted->line, 0, path,
                    "the model '%s' has no %s of its own; the tool is left out", agent->model,
                    tool->tool.native_feature);
}

static void check_agent(struct assembly *assembly, const struct agent *agent, struct report *report)
{
    const struct registry_model *model = registry_model(assembly->registry, agent->live.provider);
    struct profile profile;

    if (!model)
        return; /* reported when its plugin failed to load */
    profiles_find(assembly->profiles, agent->live.provider, model->model.backend(model->state), agent->model,
                  &profile);
    if (!profile.match[0])
        report_warn(report, agent->file, agent->model_line, 0, "model",
                    "the model '%s' is not known here; it is treated like the newest ones", agent->model);
    for (size_t i = 0; i < agent->tools_n; i++)
        check_tool(assembly, agent, i, &profile, report);
}

/* The last is that of the plugins that came with the program, which may lack them. */
static void check_folders(const struct config *config, struct report *report)
{
    struct stat st;

    for (size_t i = 0; config->plugin_dirs[i] && config->plugin_dirs[i + 1]; i++) {
        const char *dir = config->plugin_dirs[i];
        int rc = stat(dir, &st);
        if (rc != 0 || !S_ISDIR(st.st_mode))
            report_fault(report, NULL, 0, 0, "", "the plugins folder %s cannot be read: %s", dir,
                         strerror(rc ? errno : ENOTDIR));
    }
}

enum antiphon_status assembly_load_plugins(struct assembly *assembly, const struct host_services *services,
                                           struct report *report)
{
    const struct config *config = assembly->config;
    enum antiphon_status status;
    struct err err = {0};

    status = profiles_load(config->models, report, &assembly->profiles);
    if (agents_load(config->agents_dir, config->default_agent, report, &assembly->agents))
        status = ANTIPHON_EINVAL;
    if (assembly->agents && mcp_toolset_join(assembly->agents, assembly->config)) {
        report_fault(report, NULL, 0, 0, "", "agents: out of memory");
        return ANTIPHON_ENOMEM;
    }
    if (registry_new(services, &assembly->registry)) {
        report_fault(report, NULL, 0, 0, "", "plugins: out of memory");
        return ANTIPHON_ENOMEM;
    }
    const struct isolate_options options = {.program = assembly->runner,
                                            .registry = assembly->registry,
                                            .services = services,
                                            .config = plugin_config,
                                            .config_ctx = assembly};
    if (assembly->runner && isolate_new(&options, &assembly->isolate, &err)) {
        report_fault(report, NULL, 0, 0, "", "plugins: %s", err.text);
        return err.status;
    }
    check_folders(config, report);
    load_named(assembly, report);
    for (size_t i = 0; !status && i < agents_count(assembly->agents); i++)
        check_agent(assembly, agents_at(assembly->agents, i), report);
    return report->faults ? ANTIPHON_EINVAL : ANTIPHON_OK;
}

void assembly_free(struct assembly *assembly)
{
    isolate_stop(assembly->isolate);
    registry_free(assembly->registry);
    isolate_free(assembly->isolate);
    catalog_free(assembly->catalog);
    for (size_t i = 0; i < assembly->failed_n; i++)
        free(assembly->failed[i]);
    profiles_free(assembly->profiles);
    agents_free(assembly->agents);
    config_free(assembly->config);
}
