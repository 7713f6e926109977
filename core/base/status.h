/* status - the one result code of every function that can fail (enum antiphon_status, plugin.h). */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H
#include "antiphon/plugin.h"

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* Lower-case words such as "invalid input"; never NULL. */
const char *status_name(enum antiphon_status status);
#endif
