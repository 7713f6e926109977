/* config - the server's settings: antiphon.yaml (schema/config.schema.json), .env, environment and
 * flags, in rising order of precedence. [main]; immutable and shared after config_load(). */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H
#include "base/json.h"
#include "config/report.h"

#define CONFIG_MAX_PLUGIN_DIRS 16

struct yaml;

struct config_deadlines { /* ms */
    uint32_t resolve, connect, setup, first_byte, tool, confirm;
};
struct config_limits {
    uint32_t connections; /* of clients, all shards together */
    uint32_t client_message_bytes;
    uint32_t client_control_bytes, client_control_messages, client_audio_bytes;
    uint32_t client_stall_ms;
    uint32_t bad_messages; /* in a row from one client, then close 1008 */
    uint32_t upstream_message_bytes;
    uint32_t history_events; /* read back when a session is loaded */
    uint32_t tool_threads, tool_jobs;
};
struct config {
    char *host; /* owned, as all texts here */
    int port;
    char *metrics_host; /* where /metrics is served alone; NULL: on the same port as all else */
    int metrics_port;
    unsigned shards; /* 0 was replaced by the number of cores */
    enum antiphon_log_level log_level;
    char *agents_dir, *static_dir, *store_path;
    char *plugin_dirs[CONFIG_MAX_PLUGIN_DIRS]; /* NULL-terminated */
    char *default_agent;                       /* NULL: choose */
    char **origins; /* NULL-terminated; more origins that may connect, "scheme://host[:port]" */
    bool insecure_no_auth;
    bool demo;
    uint32_t audio_join_ms; /* shorter frames of a microphone are joined up to this; 0: never */
    bool safe_mode; /* only plugins that came with the program are loaded */
    uint32_t linger_ms; /* how long a session keeps its upstream after the last client left; 0: at
                           once */
    struct config_deadlines deadlines;
    struct config_limits limits;
    cJSON *plugins; /* object: plugin name -> its configuration as written */
    cJSON *models;  /* array or NULL: model profiles that override schema/models.json */
    struct yaml
        *source; /* the configuration file, for the places of `plugins`; NULL: there is none */
};

struct config_flags { /* NULL or negative: not given */
    const char *config_file, *host, *agents_dir, *store, *static_dir, *log_level, *metrics;
    const char *plugin_dirs[CONFIG_MAX_PLUGIN_DIRS];
    int port, shards;
    bool demo, insecure_no_auth, safe_mode;
};

/* Reads ./.env and <folder of the config file>/.env into the environment first (names already set
 * win). Looks for antiphon.yaml in the working directory unless flags name a file (which must then
 * exist). Paths in the file are relative to the file; defaults are looked for beside the executable
 * (build tree, then install prefix). The folder of the plugins that came with the program is always
 * searched, last. Every fault goes to report; EINVAL if there was one: *config then has agents_dir and
 * default_agent as far as they are known, so that the agents can be checked as well, or is untouched. */
enum antiphon_status config_load(const struct config_flags *flags, struct report *report,
                                 struct config **config) MUST_CHECK;
void config_free(struct config *config);

/* The configuration object for one plugin: what the file says under plugins.<name>, then
 * environment variables named by "x-env" in its schema, "${env:NAME}" and "secret:" references
 * resolved, defaults filled in, validated. schema_text NULL: must be absent or empty. The result is
 * compact JSON and may hold secrets: never log it. */
enum antiphon_status config_plugin(const struct config *config, const char *name,
                                   const char *schema_text, struct report *report,
                                   char **json) MUST_CHECK;
#endif
