/* config_isolation - the keys below plugins.NAME that are the host's and not the plugin's: where it lives, and how much
 * memory it may have there. [main] */
#ifndef CONFIG_CONFIG_ISOLATION_H
#define CONFIG_CONFIG_ISOLATION_H
#include "config/config.h"

struct config_isolation {
    bool process;       /* in a process of its own */
    uint32_t memory_mb; /* of that; 0: the default */
};
/* Without the key `isolation`: thread for a plugin that came with the program, else process. EINVAL: a fault was
 * reported. */
enum antiphon_status config_isolation(const struct config *config, const char *name, struct report *report,
                                      struct config_isolation *isolation) MUST_CHECK;
/* Whether the plugin, wherever plugin_dirs finds it first, is one that came with the program. */
bool config_isolation_is_shipped(const struct config *config, const char *name);
/* Takes those keys out of what the file says for a plugin. */
void config_isolation_strip(cJSON *settings);
#endif
