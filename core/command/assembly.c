#include "command/assembly.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "config/config_isolation.h"
#include "base/banned.h"

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

static void note_failed(struct assembly *assembly, const char *name)
{
    if (assembly->failed_n < REGISTRY_MAX_PLUGINS)
        assembly->failed[assembly->failed_n++] = name;
}

static bool was_tried(const struct assembly *assembly, const char *name)
{
    for (size_t i = 0; i < assembly->failed_n; i++) {
        if (strcmp(assembly->failed[i], name) == 0)
            return true;
    }
    return registry_loaded(assembly->registry, name);
}

enum antiphon_status assembly_load_plugin(struct assembly *assembly, const char *name, struct report *report,
                                          bool *process, struct err *err)
{
    const char *const *dirs = (const char *const *)assembly->config->plugin_dirs;
    struct config_isolation isolation = {0};
    enum antiphon_status status = config_isolation(assembly->config, name, report, &isolation);

    assembly->report = report;
    *process = isolation.process;
    if (status)
        return err_set(err, status, "plugin %s: config: is not valid", name);
    if (!assembly->runner)
        *process = false;
    if (!*process)
        return registry_load(assembly->registry, dirs, name, plugin_config, assembly, err);
    const struct isolate_limits limits = {.memory = (uint64_t)isolation.memory_mb << 20};
    return isolate_load(assembly->isolate, dirs, name, &limits, err);
}

static void load_plugin(struct assembly *assembly, const char *name, const char *file, int line,
                        struct report *report)
{
    const char *const *dirs = (const char *const *)assembly->config->plugin_dirs;
    unsigned before = report->faults;
    struct err err = {0};
    bool process = false;

    if (was_tried(assembly, name))
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

/* What the settings name, and what an agent names by a plugin's own name. */
static void load_named(struct assembly *assembly, struct report *report)
{
    const char *const *dirs = (const char *const *)assembly->config->plugin_dirs;
    const cJSON *entry;

    cJSON_ArrayForEach(entry, assembly->config->plugins)
        load_plugin(assembly, entry->string, NULL, 0, report);
    for (size_t i = 0; assembly->agents && i < agents_count(assembly->agents); i++) {
        const struct agent *agent = agents_at(assembly->agents, i);
        if (!registry_model(assembly->registry, agent->live.provider))
            load_plugin(assembly, agent->live.provider, NULL, 0, report);
        for (size_t t = 0; t < agent->tools_n; t++) {
            const char *name = agent->tools[t].name;
            if (!registry_tool(assembly->registry, name) && registry_available(dirs, name))
                load_plugin(assembly, name, agent->file, agent->tools[t].line, report);
        }
    }
}

static const char *nearest_tool(const struct registry *registry, const char *name)
{
    const char *names[REGISTRY_MAX_TOOLS];
    const struct registry_tool *tools = NULL;
    size_t n = registry_tools(registry, &tools);

    for (size_t i = 0; i < n; i++)
        names[i] = tools[i].tool.name;
    return jschema_nearest(name, names, n);
}

static void check_tool(struct assembly *assembly, const struct agent *agent, size_t index,
                       const struct profile *profile, struct report *report)
{
    const struct agent_tool *wanted = &agent->tools[index];
    const struct registry_tool *tool = registry_tool(assembly->registry, wanted->name);
    char path[64];

    (void)snprintf(path, sizeof(path), "tools[%zu].name", index);
    if (!tool && assembly->lame) {
        log_warn("agent", "agent=%s cannot be talked to: its tool %s is not there", agent->folder, wanted->name);
        return;
    }
    if (!tool) {
        const char *nearest = nearest_tool(assembly->registry, wanted->name);
        /* A plugin of that name that failed to load has been reported with its reason. */
        if (!registry_available((const char *const *)assembly->config->plugin_dirs, wanted->name))
            report_fault(report, agent->file, wanted->line, 0, path,
                         "unknown tool '%s'%s%s%s: put %s.so into a plugins folder, or name the plugin that has it "
                         "under `plugins:` of the settings",
                         wanted->name, nearest ? " (did you mean '" : "", nearest ? nearest : "",
                         nearest ? "'?)" : "", wanted->name);
        return;
    }
    if (wanted->args)
        report_fault(report, agent->file, wanted->line, 0, path, "the tool '%s' takes no args", wanted->name);
    if (tool->tool.native_feature && !tool->tool.invoke && !profile_native(profile, tool->tool.native_feature))
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

enum antiphon_status assembly_load_plugins(struct assembly *assembly, const struct host_services *services,
                                           struct report *report)
{
    const struct config *config = assembly->config;
    enum antiphon_status status;
    struct err err = {0};

    status = profiles_load(config->models, report, &assembly->profiles);
    if (agents_load(config->agents_dir, config->default_agent, report, &assembly->agents))
        status = ANTIPHON_EINVAL;
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
    profiles_free(assembly->profiles);
    agents_free(assembly->agents);
    config_free(assembly->config);
}
