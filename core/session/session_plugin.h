/* session_plugin - what plugins do to conversations beside answering calls: behind host->publish and host->notify. */
#ifndef SESSION_SESSION_PLUGIN_H
#define SESSION_SESSION_PLUGIN_H
#include "session/runtime.h"

/* [any] */
enum antiphon_status session_plugin_publish(const struct antiphon_call *call, const char *plugin, const char *name,
                                            const char *json, size_t len) MUST_CHECK;
/* [any that may block] The notice is on disk; the session learns of it if it is open. started: shards run. */
enum antiphon_status session_plugin_notify(struct runtime *runtime, bool started, const char *plugin,
                                           const struct antiphon_notice *notice) MUST_CHECK;
#endif
