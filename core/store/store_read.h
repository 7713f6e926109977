/* store_read - one reader's connection: read-only, used by one thread at a time. */
#ifndef STORE_STORE_READ_H
#define STORE_STORE_READ_H
#include "store/store.h"

/* Of all events of one snapshot together; the oldest are left out beyond it. */
#define STORE_MAX_LOAD_BYTES (64u * 1024 * 1024)

struct store_reader;

/* The writer's connection must be open, and stay open. */
enum antiphon_status store_reader_open(const char *path, struct store_reader **reader,
                                       struct err *err) MUST_CHECK;
void store_reader_close(struct store_reader *reader);
/* One consistent view: all that was committed before the call. *snapshot is the caller's. */
enum antiphon_status store_reader_load(struct store_reader *reader, const struct store_key *key,
                                       size_t max_events, struct store_snapshot **snapshot,
                                       struct err *err) MUST_CHECK;
enum antiphon_status store_reader_find(struct store_reader *reader, const struct store_query *query,
                                       struct store_rows **rows, struct err *err) MUST_CHECK;
#endif
