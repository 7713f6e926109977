/* assembly - settings, agents, profiles and plugins read and checked against each other: what `check` reports on and
 * `serve` then runs. [main] */
#ifndef COMMAND_ASSEMBLY_H
#define COMMAND_ASSEMBLY_H
#include "config/agent.h"
#include "config/config.h"
#include "config/profile.h"
#include "plugin/registry.h"

struct assembly {
    struct config *config;     /* owned, as all here */
    struct agents *agents;
    struct profiles *profiles;
    struct registry *registry;
    const char *failed[REGISTRY_MAX_PLUGINS]; /* borrowed: names that were tried in vain, said once */
    size_t failed_n;
};
/* Reads the settings; with --demo, start the stand-in between this and assembly_load_plugins(). */
enum antiphon_status assembly_load_config(struct assembly *assembly, const struct config_flags *flags,
                                          struct report *report) MUST_CHECK;
/* The rest. Every fault goes to report; EINVAL if there was one. */
enum antiphon_status assembly_load_plugins(struct assembly *assembly, const struct host_services *services,
                                           struct report *report) MUST_CHECK;
void assembly_free(struct assembly *assembly);
#endif
