/* store_wait - questions to the store by threads that may wait for the answer: what plugins keep. Each waits at most
 * STORE_WAIT_MS, then ETIMEOUT (a write may still be done). [any that may block] The texts' limits were checked. */
#ifndef STORE_STORE_WAIT_H
#define STORE_STORE_WAIT_H
#include "antiphon/plugin.h"
#include "store/store.h"

#define STORE_WAIT_MS 5000

/* user NULL: nobody's. Otherwise as the functions of the same name in antiphon/plugin.h. */
enum antiphon_status store_wait_get(struct store *store, const char *plugin, const char *user, const char *key,
                                    char *value, size_t size, size_t *len) MUST_CHECK;
enum antiphon_status store_wait_put(struct store *store, const char *plugin, const char *user, const char *key,
                                    const char *value, size_t len) MUST_CHECK;
enum antiphon_status store_wait_find(struct store *store, const char *plugin,
                                     const struct antiphon_store_query *query, antiphon_row_fn *row,
                                     void *ctx) MUST_CHECK;
/* Any records, as one unit. OK: they are on disk. */
enum antiphon_status store_wait_append(struct store *store, const struct store_record *records, size_t n) MUST_CHECK;
#endif
