/* plugin_world - a small world for one plugin that is tried: a registry, a process for it, and host functions that do what
 * the server's do, but keep everything in memory. One call at a time; [main] but for the host functions. */
#ifndef COMMAND_PLUGIN_WORLD_H
#define COMMAND_PLUGIN_WORLD_H
#include "net/http_client.h"
#include "plugin/isolate.h"

struct plugin_world;
/* settings: JSON of the plugin's configuration, which is checked and filled up; borrowed. */
enum antiphon_status plugin_world_open(const char *settings, struct plugin_world **world, struct err *err) MUST_CHECK;
void plugin_world_close(struct plugin_world *world);
enum antiphon_status plugin_world_load(struct plugin_world *world, const char *folder, const char *name,
                                       struct err *err) MUST_CHECK;
struct registry *plugin_world_registry(struct plugin_world *world);

struct plugin_result {
    enum antiphon_status status;
    char *text; /* owned by the caller; NUL-terminated */
    size_t len;
    uint64_t us; /* from the call to its end */
};
/* Calls the tool with these arguments and waits for the end. ENOTFOUND: there is no such tool, or it has no invoke(). */
enum antiphon_status plugin_world_call(struct plugin_world *world, const char *tool, const char *args,
                                       unsigned timeout_ms, struct plugin_result *result) MUST_CHECK;
/* What it told beside its result, one line each; borrowed. */
const char *plugin_world_told(const struct plugin_world *world);
#endif
