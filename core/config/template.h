/* template - instruction templates: {key}, {key?}, {app:key}, {user:key}, {temp:key} from session state. Braces
 * around anything that is not a valid name stay as they are. Pure. */
#ifndef CONFIG_TEMPLATE_H
#define CONFIG_TEMPLATE_H
#include "base/json.h"

/* state: JSON object with prefixes as stored. EINVAL if a key without `?` is missing (err names it). */
enum antiphon_status template_expand(const char *text, const cJSON *state, struct buf *out,
                                     struct err *err) MUST_CHECK;
#endif
