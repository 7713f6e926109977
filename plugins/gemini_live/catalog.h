/* catalog - the live models that an API key may use, asked when a model was not found. [any] */
#ifndef GEMINI_CATALOG_H
#define GEMINI_CATALOG_H
#include "backend.h"

#define CATALOG_TIMEOUT_MS 1500
#define CATALOG_MAX_IDS    24 /* more are left out */

struct catalog;

/* sink is woken when the answer is there, or it is clear that there will be none. NULL: it cannot
 * be asked now. */
struct catalog *catalog_ask(const struct antiphon_host *host, antiphon_sink sink,
                            const struct backend *backend);
/* True once the question is settled; ids ("a, b") are then appended to out, if there are any. */
bool catalog_answer(struct catalog *catalog, struct text *out);
/* Legal at any time; sink is not woken any more afterwards. */
void catalog_free(struct catalog *catalog);

/* Ids in a listing whose models have a live mode. Pure. */
void catalog_ids(const char *json, size_t len, struct text *out);
#endif
