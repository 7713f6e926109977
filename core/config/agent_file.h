/* agent_file - one agents/<folder>/root_agent.yaml as a struct agent: the inside of agent.h. [main]
 */
#ifndef CONFIG_AGENT_FILE_H
#define CONFIG_AGENT_FILE_H
#include "config/agent.h"

/* Every fault goes to report with its place; EINVAL if there was one. */
enum antiphon_status agent_file_load(const char *folder, const char *file, struct report *report,
                                     struct agent **agent) MUST_CHECK;
void agent_file_free(struct agent *agent);
#endif
