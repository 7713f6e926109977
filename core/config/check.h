/* check - a YAML tree against one of the embedded JSON Schemas, every fault with its place. [main]
 */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H
#include "base/jschema.h"
#include "config/yaml.h"

/* schema: the name of an embedded file ("agent.schema.json"). flags: JSCHEMA_*. EINVAL if there was
 * a fault; all of them are in report. */
enum antiphon_status check_tree(const struct yaml *yaml, cJSON *tree, const char *schema,
                                unsigned flags, struct report *report) MUST_CHECK;
/* The same for a part of the tree, whose path is `path` ("live.tools.book"). */
enum antiphon_status check_part(const struct yaml *yaml, cJSON *part, const char *path,
                                const char *schema, unsigned flags,
                                struct report *report) MUST_CHECK;
/* The embedded JSON file as a tree, caller's; our own mistake if it does not parse. */
enum antiphon_status check_embedded(const char *name, cJSON **tree, struct err *err) MUST_CHECK;
#endif
