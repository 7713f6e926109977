/* mcp_toolset - ADK's McpToolset in an agent's file: read as a server of the plugin mcp, which it becomes. [main] */
#ifndef CONFIG_MCP_TOOLSET_H
#define CONFIG_MCP_TOOLSET_H
#include "config/agent.h"
#include "config/config.h"
#include "config/yaml.h"

bool mcp_toolset_is(const char *tool); /* the name of an entry of `tools` that is one */
/* args: of the entry at path ("tools[2]"), or NULL; changed. *server: as in plugins.mcp.servers but for its name, the
 * caller's. EINVAL: it was reported. */
enum antiphon_status mcp_toolset_read(const struct yaml *yaml, cJSON *args, const char *path, struct report *report,
                                  cJSON **server) MUST_CHECK;
/* Adds the servers of all agents to config->plugins, equal ones once, and gives the agents' entries the names that these
 * have: "toolset_1", ... Before plugins are loaded. ENOMEM. */
enum antiphon_status mcp_toolset_join(struct agents *agents, struct config *config) MUST_CHECK;
#endif
