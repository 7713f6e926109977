/* assembly - settings, agents, profiles and plugins read and checked against each other: what `check` reports on and
 * `serve` then runs. [main] */
#ifndef COMMAND_ASSEMBLY_H
#define COMMAND_ASSEMBLY_H
#include "config/agent.h"
#include "config/config.h"
#include "config/profile.h"
#include "plugin/catalog.h"
#include "plugin/isolate.h"
#include "plugin/registry.h"

struct assembly {
    struct config *config;     /* owned, as all here */
    struct agents *agents;
    struct profiles *profiles;
    struct registry *registry;
    struct isolate *isolate;   /* NULL without `runner` */
    struct catalog *catalog;   /* NULL: not read yet; read when a tool's name does not tell its plugin */
    /* Set by the caller: the program that has the command `runner`; NULL: all plugins live in this process. */
    const char *runner;
    /* Set by the caller: a plugin that lives in a process of its own and fails is logged and does not stop the rest. */
    bool bears_failures;
    struct start_watch *watch; /* borrowed; set by the caller: is told whose init() runs here; NULL: nobody is */
    bool lame;                 /* it came to that: agents may lack tools */
    struct report *report;     /* borrowed: where settings of plugins are complained about just now */
    char *failed[REGISTRY_MAX_PLUGINS]; /* names that were tried in vain, said once */
    size_t failed_n;
};
/* Reads the settings; with --demo, start the stand-in between this and assembly_load_plugins(). */
enum antiphon_status assembly_load_config(struct assembly *assembly, const struct config_flags *flags,
                                          struct report *report) MUST_CHECK;
/* The rest. Every fault goes to report; EINVAL if there was one. */
enum antiphon_status assembly_load_plugins(struct assembly *assembly, const struct host_services *services,
                                           struct report *report) MUST_CHECK;
/* One plugin by its name, again if it lives in a process of its own. *process: whether it does. Faults of its settings
 * go to report, which must not end before this does. */
enum antiphon_status assembly_load_plugin(struct assembly *assembly, const char *name, struct report *report,
                                          bool *process, struct err *err) MUST_CHECK;
/* The plugin that says it has that tool, which is neither loaded nor called like a plugin; NULL: none. *other: a second one
 * that says so, else NULL. In safe mode one that came with the program goes before others. Borrowed until the next
 * assembly_look_again(). */
const char *assembly_owner(struct assembly *assembly, const char *tool, const char **other);
/* The plugin folders may have changed since assembly_owner() read them. */
void assembly_look_again(struct assembly *assembly);
void assembly_free(struct assembly *assembly);
#endif
