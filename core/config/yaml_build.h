/* yaml_build - libfyaml's events into a cJSON tree and a table of places: the inside of yaml.h. */
#ifndef CONFIG_YAML_BUILD_H
#define CONFIG_YAML_BUILD_H
#include "base/json.h"
#include "config/places.h"
#include "config/report.h"

/* text has passed yaml_gate(). *tree is the caller's. Faults go to report; EINVAL if there was one.
 */
enum antiphon_status yaml_build(const char *file, const char *text, size_t len,
                                struct report *report, struct places *places,
                                cJSON **tree) MUST_CHECK;
#endif
