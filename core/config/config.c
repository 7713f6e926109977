#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "config/check.h"
#include "config/config_address.h"
#include "config/config_store.h"
#include "config/dotenv.h"
#include "config/expand.h"
#include "config/layout.h"
#include "net/shard.h"
#include "base/banned.h"

#define DEFAULT_FILE "antiphon.yaml"

struct loader {
    struct config *config;
    struct report *report;
    struct yaml *yaml; /* owned; of the file, or an empty one */
    char *folder;      /* owned; of the file, NULL: the working directory */
    bool has_file;
    bool no_memory;
};

static void put(struct loader *loader, char **slot, const char *value)
{
    char *copy = strdup(value);

    if (!copy)
        loader->no_memory = true;
    free(*slot);
    *slot = copy;
}

static void put_path(struct loader *loader, char **slot, const char *folder, const char *path)
{
    char *joined = config_join(folder, path);

    if (!joined)
        loader->no_memory = true;
    free(*slot);
    *slot = joined;
}

static unsigned cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n > SHARD_MAX ? SHARD_MAX : (unsigned)n;
}

/* ---- the file
 * ----------------------------------------------------------------------------------------- */

static void load_dotenv(struct loader *loader, const char *folder)
{
    char *path = config_join(folder, ".env");
    bool found;
    int line = 0;
    struct err err;

    if (!path)
        loader->no_memory = true;
    else if (dotenv_load_at(path, &found, &line, &err) != ANTIPHON_OK)
        report_fault(loader->report, path, line, 1, "", "%s", err.text);
    free(path);
}

/* Finds the file, loads what .env says and reads the file: EINVAL is reported. */
static enum antiphon_status read_file(struct loader *loader, const struct config_flags *flags)
{
    const char *file = flags->config_file ? flags->config_file : DEFAULT_FILE;
    const char *slash = strrchr(file, '/');

    loader->has_file = flags->config_file || access(file, F_OK) == 0;
    if (slash && slash > file)
        loader->folder = strndup(file, (size_t)(slash - file));
    else if (slash)
        loader->folder = strdup("/.");
    if (slash && !loader->folder)
        return ANTIPHON_ENOMEM;
    load_dotenv(loader, NULL);
    if (loader->folder)
        load_dotenv(loader, loader->folder);
    if (!loader->has_file)
        return yaml_parse(DEFAULT_FILE, "", 0, loader->report, &loader->yaml);
    return yaml_load(file, loader->report, &loader->yaml);
}

/* `plugins` is left as written: config_plugin() resolves it for one plugin at a time. */
static void expand(struct loader *loader)
{
    for (cJSON *child = yaml_tree(loader->yaml)->child; child; child = child->next) {
        if (strcmp(child->string, "plugins") == 0)
            continue;
        if (expand_tree(loader->yaml, child, child->string, loader->report) == ANTIPHON_ENOMEM)
            loader->no_memory = true;
    }
}

static const struct {
    const char *section, *key;
    size_t offset;
} numbers[] = {
#define DEADLINE(name)                                                                             \
    {                                                                                              \
        "deadlines", #name "_ms", offsetof(struct config, deadlines.name)                          \
    }
#define LIMIT(name)                                                                                \
    {                                                                                              \
        "limits", #name, offsetof(struct config, limits.name)                                      \
    }
    DEADLINE(resolve),
    DEADLINE(connect),
    DEADLINE(setup),
    DEADLINE(first_byte),
    DEADLINE(tool),
    DEADLINE(confirm),
    LIMIT(connections),
    LIMIT(client_message_bytes),
    LIMIT(client_control_bytes),
    LIMIT(client_control_messages),
    LIMIT(client_audio_bytes),
    LIMIT(client_stall_ms),
    LIMIT(bad_messages),
    LIMIT(upstream_message_bytes),
    LIMIT(history_events),
    LIMIT(tool_threads),
    LIMIT(tool_jobs),
#undef DEADLINE
#undef LIMIT
};

static void take_numbers(struct config *config, const cJSON *tree)
{
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        double value = json_get_number(json_get(tree, numbers[i].section), numbers[i].key, 0);
        uint32_t number = (uint32_t)value;
        memcpy((char *)config + numbers[i].offset, &number, sizeof(number));
    }
    config->audio_join_ms = (uint32_t)json_get_number(json_get(tree, "audio"), "join_ms", 0);
    config->linger_ms = (uint32_t)json_get_number(tree, "linger_ms", 0);
}

static void take_plugin_dirs(struct loader *loader, const cJSON *value)
{
    char **dirs = loader->config->plugin_dirs;
    const cJSON *item;
    size_t n = 0;

    if (cJSON_IsString(value))
        put_path(loader, &dirs[0], loader->folder, value->valuestring);
    else
        cJSON_ArrayForEach (item, value)
            put_path(loader, &dirs[n++], loader->folder, item->valuestring);
}

static void take_origins(struct loader *loader, const cJSON *list)
{
    struct config *config = loader->config;
    const cJSON *item;
    size_t n = 0;

    config->origins = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*config->origins));
    if (!config->origins)
        loader->no_memory = true;
    else
        cJSON_ArrayForEach (item, list)
            put(loader, &config->origins[n++], item->valuestring);
}

static void take_store(struct loader *loader, const char *folder, const char *text,
                       const char *name)
{
    struct err err;
    char *path = NULL;

    if (config_store_path(text, folder, &path, &err) == ANTIPHON_OK) {
        free(loader->config->store_path);
        loader->config->store_path = path;
    } else if (name) {
        report_fault(loader->report, NULL, 0, 0, name, "%s", err.text);
    } else {
        yaml_fault(loader->yaml, loader->report, "store", "%s", err.text);
    }
}

static void take_metrics(struct loader *loader, const char *text, const char *name)
{
    struct config *config = loader->config;
    struct err err;
    char *host = NULL;

    if (!text)
        return;
    switch (config_address(text, &host, &config->metrics_port, &err)) {
    case ANTIPHON_OK:
        free(config->metrics_host);
        config->metrics_host = host;
        break;
    case ANTIPHON_EINVAL:
        if (name)
            report_fault(loader->report, NULL, 0, 0, name, "%s", err.text);
        else
            yaml_fault(loader->yaml, loader->report, "metrics", "%s", err.text);
        break;
    default:
        loader->no_memory = true;
    }
}

/* Whether each member of plugins is an object; a schema of ours cannot say it of unknown names. */
static void check_plugins(struct loader *loader, cJSON *plugins)
{
    for (cJSON *one = plugins->child; one; one = one->next) {
        char path[16 + YAML_MAX_KEY];
        snprintf(path, sizeof(path), "plugins.%s", one->string);
        if (!cJSON_IsObject(one) && !cJSON_IsNull(one))
            yaml_fault(loader->yaml, loader->report, path,
                       "must be an object: the plugin's settings");
    }
}

/* tree has passed its schema, so every member is there and of its type. */
static void take_agents(struct loader *loader, const cJSON *tree)
{
    const char *text;

    if ((text = json_get_string(tree, "agents_dir")))
        put_path(loader, &loader->config->agents_dir, loader->folder, text);
    if ((text = json_get_string(tree, "default_agent")))
        put(loader, &loader->config->default_agent, text);
}

static void take_tree(struct loader *loader, cJSON *tree)
{
    struct config *config = loader->config;
    const cJSON *listen = json_get(tree, "listen");
    const char *text;

    put(loader, &config->host, json_get_string(listen, "host"));
    config->port = (int)json_get_number(listen, "port", 0);
    config->shards = (unsigned)json_get_number(tree, "shards", 0);
    take_metrics(loader, json_get_string(tree, "metrics"), NULL);
    if (log_level_parse(json_get_string(json_get(tree, "log"), "level"), &config->log_level) !=
        ANTIPHON_OK)
        config->log_level = ANTIPHON_INFO;
    take_agents(loader, tree);
    if ((text = json_get_string(tree, "static_dir")))
        put_path(loader, &config->static_dir, loader->folder, text);
    take_store(loader, loader->folder, json_get_string(tree, "store"), NULL);
    take_plugin_dirs(loader, json_get(tree, "plugins_dir"));
    take_origins(loader, json_get(tree, "origins"));
    config->insecure_no_auth = json_get_bool(json_get(tree, "auth"), "insecure_no_auth", false);
    take_numbers(config, tree);
    check_plugins(loader, cJSON_GetObjectItemCaseSensitive(tree, "plugins"));
    config->plugins = cJSON_DetachItemFromObjectCaseSensitive(tree, "plugins");
    config->models = cJSON_DetachItemFromObjectCaseSensitive(tree, "models");
}

/* ---- environment and flags
 * ---------------------------------------------------------------------------- */

/* A set and non-empty variable; an empty one counts as not set. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value && value[0] ? value : NULL;
}

static bool whole_number(const char *text, long low, long high, long *number)
{
    char *end;

    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < low || value > high)
        return false;
    *number = value;
    return true;
}

static void take_number_variable(struct loader *loader, const char *name, long high, long *number)
{
    const char *value = variable(name);

    if (value && !whole_number(value, 0, high, number))
        report_fault(loader->report, NULL, 0, 0, name, "must be a whole number from 0 to %ld",
                     high);
}

static void take_level(struct loader *loader, const char *value, const char *name)
{
    if (value && log_level_parse(value, &loader->config->log_level) != ANTIPHON_OK)
        report_fault(loader->report, NULL, 0, 0, name, "must be debug, info, warn or error");
}

static void clear_plugin_dirs(struct config *config)
{
    for (size_t i = 0; i < CONFIG_MAX_PLUGIN_DIRS; i++) {
        free(config->plugin_dirs[i]);
        config->plugin_dirs[i] = NULL;
    }
}

static void take_plugin_variable(struct loader *loader, const char *value)
{
    struct config *config = loader->config;
    size_t n = 0;

    clear_plugin_dirs(config);
    while (*value) {
        size_t len = strcspn(value, ":");
        if (len && n == CONFIG_MAX_PLUGIN_DIRS - 2) {
            report_fault(loader->report, NULL, 0, 0, "ANTIPHON_PLUGINS", "more than %d folders",
                         CONFIG_MAX_PLUGIN_DIRS - 2);
            return;
        }
        if (len && !(config->plugin_dirs[n++] = strndup(value, len)))
            loader->no_memory = true;
        value += len + (value[len] == ':');
    }
}

static void take_environment(struct loader *loader)
{
    struct config *config = loader->config;
    long port = config->port, shards = (long)config->shards;
    const char *value;

    if ((value = variable("ANTIPHON_HOST")))
        put(loader, &config->host, value);
    take_number_variable(loader, "ANTIPHON_PORT", 65535, &port);
    take_number_variable(loader, "ANTIPHON_SHARDS", SHARD_MAX, &shards);
    config->port = (int)port;
    config->shards = (unsigned)shards;
    take_metrics(loader, variable("ANTIPHON_METRICS"), "ANTIPHON_METRICS");
    take_level(loader, variable("ANTIPHON_LOG_LEVEL"), "ANTIPHON_LOG_LEVEL");
    if ((value = variable("ANTIPHON_AGENTS")))
        put(loader, &config->agents_dir, value);
    if ((value = variable("ANTIPHON_STATIC")))
        put(loader, &config->static_dir, value);
    if ((value = variable("ANTIPHON_DEFAULT_AGENT")))
        put(loader, &config->default_agent, value);
    if ((value = variable("ANTIPHON_PLUGINS")))
        take_plugin_variable(loader, value);
    if ((value = variable("ANTIPHON_STORE")))
        take_store(loader, NULL, value, "ANTIPHON_STORE");
}

static void take_flags(struct loader *loader, const struct config_flags *flags)
{
    struct config *config = loader->config;
    size_t n = 0;

    if (flags->host)
        put(loader, &config->host, flags->host);
    if (flags->port > 65535)
        report_fault(loader->report, NULL, 0, 0, "--port",
                     "must be a whole number from 0 to 65535");
    else if (flags->port >= 0)
        config->port = flags->port;
    if (flags->shards > SHARD_MAX)
        report_fault(loader->report, NULL, 0, 0, "--shards", "must be a whole number from 0 to %d",
                     SHARD_MAX);
    else if (flags->shards >= 0)
        config->shards = (unsigned)flags->shards;
    take_metrics(loader, flags->metrics, "--metrics");
    take_level(loader, flags->log_level, "--log-level");
    if (flags->agents_dir)
        put(loader, &config->agents_dir, flags->agents_dir);
    if (flags->static_dir)
        put(loader, &config->static_dir, flags->static_dir);
    if (flags->store)
        take_store(loader, NULL, flags->store, "--store");
    if (flags->plugin_dirs[0])
        clear_plugin_dirs(config);
    for (; n < CONFIG_MAX_PLUGIN_DIRS && flags->plugin_dirs[n]; n++) {
        if (n < CONFIG_MAX_PLUGIN_DIRS - 2)
            put(loader, &config->plugin_dirs[n], flags->plugin_dirs[n]);
    }
    if (n > CONFIG_MAX_PLUGIN_DIRS - 2)
        report_fault(loader->report, NULL, 0, 0, "--plugins", "given more than %d times",
                     CONFIG_MAX_PLUGIN_DIRS - 2);
    config->demo = flags->demo;
    config->insecure_no_auth = config->insecure_no_auth || flags->insecure_no_auth;
    config->safe_mode = flags->safe_mode;
}

static void take_defaults(struct loader *loader)
{
    struct config *config = loader->config;
    struct layout layout;
    struct err err;
    size_t n = 0;

    if (config->shards == 0)
        config->shards = cores();
    if (layout_find(&layout, &err) != ANTIPHON_OK) {
        report_fault(loader->report, NULL, 0, 0, "", "%s", err.text);
        return;
    }
    if (!config->agents_dir)
        put(loader, &config->agents_dir, layout.agents);
    if (!config->static_dir)
        put(loader, &config->static_dir, layout.statics);
    /* Last even if somebody has named it before: by its place it is known for our own. */
    while (config->plugin_dirs[n])
        n++;
    put(loader, &config->plugin_dirs[n], layout.plugins);
    layout_deinit(&layout);
}

/* ---- both together
 * ------------------------------------------------------------------------------------ */

static enum antiphon_status load(struct loader *loader, const struct config_flags *flags)
{
    enum antiphon_status status = read_file(loader, flags);

    if (status != ANTIPHON_OK)
        return status;
    expand(loader);
    status = check_tree(loader->yaml, yaml_tree(loader->yaml), "config.schema.json",
                        JSCHEMA_FILL_DEFAULTS, loader->report);
    if (status == ANTIPHON_OK)
        take_tree(loader, yaml_tree(loader->yaml));
    else if (status == ANTIPHON_EINVAL)
        take_agents(loader, yaml_tree(loader->yaml));
    else
        return status;
    /* Faults of the environment and the flags are told together with those of the file. */
    take_environment(loader);
    take_flags(loader, flags);
    take_defaults(loader);
    return loader->no_memory ? ANTIPHON_ENOMEM : ANTIPHON_OK;
}

enum antiphon_status config_load(const struct config_flags *flags, struct report *report,
                                 struct config **config)
{
    struct loader loader = {.report = report, .config = calloc(1, sizeof(struct config))};
    unsigned before = report->faults;
    enum antiphon_status status = loader.config ? load(&loader, flags) : ANTIPHON_ENOMEM;

    if (status == ANTIPHON_ENOMEM)
        report_fault(report, NULL, 0, 0, "", "out of memory");
    else if (report->faults > before)
        status = ANTIPHON_EINVAL;
    if (status == ANTIPHON_OK && loader.has_file) {
        loader.config->source = loader.yaml;
        loader.yaml = NULL;
    }
    if (status == ANTIPHON_OK || (status == ANTIPHON_EINVAL && loader.config->agents_dir))
        *config = loader.config;
    else
        config_free(loader.config);
    yaml_free(loader.yaml);
    free(loader.folder);
    return status;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    free(config->host);
    free(config->metrics_host);
    free(config->agents_dir);
    free(config->static_dir);
    free(config->store_path);
    free(config->default_agent);
    clear_plugin_dirs(config);
    for (char **origin = config->origins; origin && *origin; origin++)
        free(*origin);
    free(config->origins);
    cJSON_Delete(config->plugins);
    cJSON_Delete(config->models);
    yaml_free(config->source);
    free(config);
}
