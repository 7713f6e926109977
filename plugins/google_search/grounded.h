/* grounded - one question to generateContent with Google Search, as JSON, and what comes back.
 * Pure. */
#ifndef GOOGLE_SEARCH_GROUNDED_H
#define GOOGLE_SEARCH_GROUNDED_H
#include <cjson/cJSON.h>
#include <stdbool.h>

#include "antiphon/plugin.h"

/* The address of the model's generateContent, caller frees. base: http, https, ws or wss, NULL or
 * "" for Google's own. On Vertex AI it is that of express mode, for which a key is enough. NULL:
 * the model's id has characters that no id has. */
char *grounded_url(const char *base, bool vertex, const char *model);
/* The body, caller frees with cJSON_free(). NULL: no memory. */
char *grounded_request(const char *query);

/* What the model shall get: {"answer", "groundingMetadata": {"webSearchQueries", "groundingChunks",
 * "groundingSupports"}}, the last without searchEntryPoint, which is for the page: *grounding is
 * the whole groundingMetadata, or NULL. Both are the caller's. EPROTOCOL: it is no answer; why says
 * what it is. */
enum antiphon_status grounded_read(const char *body, size_t len, cJSON **answer, cJSON **grounding,
                                   char *why, size_t why_size);
/* The message of an error's body, copied; "" if it is none. */
void grounded_error(const char *body, size_t len, char *message, size_t size);
#endif
