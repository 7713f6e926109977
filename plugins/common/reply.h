/* reply - the ends of a tool call, for the plugins of this folder. Any thread. */
#ifndef PLUGINS_COMMON_REPLY_H
#define PLUGINS_COMMON_REPLY_H
#include <cjson/cJSON.h>

#include "antiphon/plugin.h"

#define REPLY_MAX_ERROR_BYTES 512 /* longer messages are cut */

/* Finishes the call with the value and frees it; NULL stands for memory that ran out. */
void reply_json(const struct antiphon_host *h, struct antiphon_call *call, cJSON *value);
/* Finishes the call with a sentence for the model. */
void reply_error(const struct antiphon_host *h, struct antiphon_call *call,
                 enum antiphon_status status, const char *fmt, ...) ANTIPHON_PRINTF(4, 5);

/* The arguments as a tree (caller frees), or NULL after the call was finished with an error. */
cJSON *reply_args(const struct antiphon_host *h, struct antiphon_call *call);
/* A text member, or NULL. Borrowed. */
const char *reply_text(const cJSON *object, const char *name);
/* An integer member, or what stands in for it. */
int64_t reply_integer(const cJSON *object, const char *name, int64_t otherwise);
#endif
