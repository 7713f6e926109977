/* history - earlier turns as the one clientContent that a fresh connection is given. Pure. */
#ifndef GEMINI_HISTORY_H
#define GEMINI_HISTORY_H
#include <cjson/cJSON.h>

#include "text.h"

#define HISTORY_MAX_BYTES (192u * 1024) /* of turns; beyond it the oldest are left out */

/* What the profile and the agent's `live.history` make of run's history (both may say "none"):
 *
 *   profile "client_content"    turnComplete false: the model waits for more
 *   profile "initial"           turnComplete true: taken in unanswered, because setup announced it
 *   live.history "collapsed",   one text of the user that tells the conversation
 *   or "history_collapsed"
 *   profile "history_end_user"  a blank turn of the user is appended if the model spoke last
 *
 * With a handle the history is what came after it: it is told where the profile takes history at
 * any time ("client_content"), and left out elsewhere. *message is NULL if there is nothing to say,
 * else to be freed with free(). ENOMEM is the only failure. */
enum antiphon_status history_message(const cJSON *run, char **message);
#endif
