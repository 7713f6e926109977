/* agent - agent definitions: agents/<name>/root_agent.yaml with ADK's Agent Config keys and our own under `live:`
 * (schema/agent.schema.json). [main] to load; immutable and reference-counted afterwards, shared by all shards. */
#ifndef CONFIG_AGENT_H
#define CONFIG_AGENT_H
#include "config/report.h"
#include "base/json.h"

#define AGENT_MAX 256
#define AGENT_MAX_TOOLS 128

enum agent_confirm { AGENT_CONFIRM_AS_THE_TOOL, AGENT_CONFIRM_ALWAYS, AGENT_CONFIRM_NEVER };
/* What `live.tools` says of it (schema/tool_policy.schema.json); 0: no limit. */
struct agent_tool_policy {
    uint32_t deadline_ms, calls_per_turn, calls_per_minute, concurrency;
    enum agent_confirm confirm;
};
struct agent_tool {
    char *name;
    cJSON *args; /* or NULL */
    cJSON *toolset; /* the server that a McpToolset stands for (mcp_toolset.h), else NULL */
    int line;    /* in the agent's file, for messages */
    struct agent_tool_policy policy;
};
struct agent_live {
    char *provider;      /* name of the model plugin's model; default "gemini_live" */
    char *app_name;      /* as stored; default: the folder's name */
    char *modality;      /* "auto", "audio" or "text" */
    bool input_transcription, output_transcription; /* default true */
    bool resumption;     /* default true */
    bool show_thoughts;  /* default false */
    uint32_t tool_timeout_ms; /* 0: the server's */
    cJSON *settings;     /* the whole `live:` object as written (voice, language, vad, compression, ...) */
};
struct agent {
    char *folder;        /* folder name below agents_dir: what ?agent= names */
    char *file;          /* path of root_agent.yaml */
    char *name, *description, *instruction, *model; /* description may be "" */
    int model_line;
    struct agent_tool tools[AGENT_MAX_TOOLS];
    size_t tools_n;
    cJSON *generation;   /* generate_content_config in camelCase, or NULL */
    struct agent_live live;
};
struct agents;

/* Reads every folder below dir that holds a root_agent.yaml. default_name: config's choice or NULL; else the only
 * one, else "google_search_agent", else a fault that lists the choices. */
enum antiphon_status agents_load(const char *dir, const char *default_name, struct report *report,
                                 struct agents **agents) MUST_CHECK;
void agents_free(struct agents *agents);
const struct agent *agents_find(const struct agents *agents, const char *folder); /* NULL: none */
const struct agent *agents_default(const struct agents *agents);
size_t agents_count(const struct agents *agents);
const struct agent *agents_at(const struct agents *agents, size_t index);
struct agent *agents_edit(struct agents *agents, size_t index); /* [main] before anybody else has them */
#endif
