/* setup - the first message to the service, made of the run. Pure. */
#ifndef GEMINI_SETUP_H
#define GEMINI_SETUP_H
#include <cjson/cJSON.h>

#include "text.h"

/* run: the parsed run (antiphon/plugin.h, model.open); resource: the model's name for the backend.
 * *message is the JSON text, to be freed with free(). EINVAL: the run lacks what is needed or holds
 * a setting of the wrong kind; why says which. */
enum antiphon_status setup_message(const cJSON *run, const char *resource, char **message,
                                   char *why, size_t why_size);
/* True if this run hands over earlier turns through the first clientContent (profile "initial"). */
bool setup_initial_history(const cJSON *run);
#endif
