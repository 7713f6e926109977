/* yaml_scalar - the type and value of one YAML scalar by the core schema of YAML 1.2.2
 * (section 10.3.2). Pure. */
#ifndef CONFIG_YAML_SCALAR_H
#define CONFIG_YAML_SCALAR_H
#include "base/json.h"

/* plain: written without quotes or block indicator. EINVAL: what JSON cannot hold (infinities, NaN,
 * integers beyond 2^53, NUL); err says so. */
enum antiphon_status yaml_scalar(const char *text, size_t len, bool plain, cJSON **node,
                                 struct err *err) MUST_CHECK;
#endif
