/* store_data - what plugins keep (antiphon_plugin_data with its full-text index) and what they want said
 * (antiphon_notices). The writer's half works within the unit's transaction; the reader's within one statement.
 * The thread is the connection's. */
#ifndef STORE_STORE_DATA_H
#define STORE_STORE_DATA_H
#include <sqlite3.h>
#include "store/store.h"

#define STORE_MAX_DATA_ROWS 10000 /* of one plugin and user; more: EBUSY for the unit */
#define STORE_MAX_NOTICES   100   /* of one session, likewise; too old ones do not count */
#define STORE_MAX_WORDS     16    /* of a search; more are not looked for */
/* Of all rows of one answer together, values and keys; what comes after is left out. */
#define STORE_MAX_FIND_BYTES (8u * 1024 * 1024)

struct store_data;
enum antiphon_status store_data_open(sqlite3 *db, const char *path, struct store_data **data,
                                     struct err *err) MUST_CHECK;
void store_data_close(struct store_data *data);
/* One record of kind DATA, NOTICE or NOTICE_OVER. *sql: the database said so, its last error tells why. */
enum antiphon_status store_data_write(struct store_data *data, const struct store_record *record, bool *sql) MUST_CHECK;

/* *rows is the caller's. err is set if the database is at fault. */
enum antiphon_status store_data_find(sqlite3 *db, const char *path, const struct store_query *query,
                                     struct store_rows **rows, struct err *err) MUST_CHECK;
/* What is still to be said in the session, oldest first; key: plugin, id: the notice's. */
enum antiphon_status store_data_notices(sqlite3 *db, const char *path, const struct store_key *key,
                                        struct store_rows **rows, struct err *err) MUST_CHECK;
#endif
