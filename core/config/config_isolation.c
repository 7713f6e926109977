#include "config/config_isolation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/yaml.h"
#include "base/banned.h"

#define MAX_PATH      4096
#define MIN_MEMORY_MB 64
#define MAX_MEMORY_MB 65536

bool config_isolation_is_shipped(const struct config *config, const char *name)
{
    char path[MAX_PATH];
    size_t n = 0, found = CONFIG_MAX_PLUGIN_DIRS;

    for (; n < CONFIG_MAX_PLUGIN_DIRS && config->plugin_dirs[n]; n++) {
        int len = snprintf(path, sizeof(path), "%s/%s.so", config->plugin_dirs[n], name);
        if (found == CONFIG_MAX_PLUGIN_DIRS && len > 0 && (size_t)len < sizeof(path) && access(path, F_OK) == 0)
            found = n;
    }
    if (found == CONFIG_MAX_PLUGIN_DIRS)
        return false;
    /* The last is the program's own; somebody may have named it by another path as well. */
    char *folder = realpath(config->plugin_dirs[found], NULL), *own = realpath(config->plugin_dirs[n - 1], NULL);
    bool shipped = folder && own && strcmp(folder, own) == 0;
    free(folder);
    free(own);
    return shipped;
}

static void fault(const struct config *config, const char *name, const char *key, struct report *report,
                  const char *message)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "plugins.%s.%s", name, key);
    if (config->source)
        yaml_fault(config->source, report, path, "%s", message);
    else
        report_fault(report, NULL, 0, 0, path, "%s", message);
}

enum antiphon_status config_isolation(const struct config *config, const char *name, struct report *report,
                                      struct config_isolation *isolation)
{
    const cJSON *settings = json_get(config->plugins, name);
    const cJSON *kind = json_get(settings, "isolation"), *memory = json_get(settings, "memory_mb");
    const char *text = cJSON_GetStringValue(kind);
    struct config_isolation found = {.process = !config_isolation_is_shipped(config, name)};
    enum antiphon_status status = ANTIPHON_OK;

    if (text && strcmp(text, "thread") == 0) {
        found.process = false;
    } else if (text && strcmp(text, "process") == 0) {
        found.process = true;
    } else if (kind) {
        fault(config, name, "isolation", report, "must be \"thread\" or \"process\"");
        status = ANTIPHON_EINVAL;
    }
    if (cJSON_IsNumber(memory) && memory->valuedouble >= MIN_MEMORY_MB && memory->valuedouble <= MAX_MEMORY_MB) {
        found.memory_mb = (uint32_t)memory->valuedouble;
    } else if (memory) {
        fault(config, name, "memory_mb", report, "must be a number from 64 to 65536");
        status = ANTIPHON_EINVAL;
    }
    if (!status)
        *isolation = found;
    return status;
}

void config_isolation_strip(cJSON *settings)
{
    cJSON_DeleteItemFromObjectCaseSensitive(settings, "isolation");
    cJSON_DeleteItemFromObjectCaseSensitive(settings, "memory_mb");
}
