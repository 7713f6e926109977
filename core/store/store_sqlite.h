/* store_sqlite - the writer's connection: WAL, synchronous=FULL, prepared statements, one
 * transaction for many units, checkpoints when told. Opened and closed on the main thread, used by
 * the store thread. */
#ifndef STORE_STORE_SQLITE_H
#define STORE_STORE_SQLITE_H
#include "store/store_unit.h"

#define STORE_MAX_STATE                                                                            \
    (16u * 1024 * 1024) /* bytes of one state object; more: ETOOBIG for the unit */
/* Databases up to this size are checked when they are opened. */
#define STORE_MAX_CHECKED_BYTES (64u * 1024 * 1024)

struct store_sqlite;

/* path is absolute. Creates the file (readable for its owner only), migrates, turns WAL on. */
enum antiphon_status store_sqlite_open(const char *path, struct store_sqlite **db,
                                       struct err *err) MUST_CHECK;
void store_sqlite_close(struct store_sqlite *db);

/* Writes all units in one transaction, in order, and sets each one's status: OK after the COMMIT
 * returned. A unit at fault (a duplicate id, an unknown session, a state that is no object) fails
 * alone. Returns what kept the database from taking what it should have taken, or OK; when the
 * transaction was lost all of its units have that status. */
enum antiphon_status store_sqlite_commit(struct store_sqlite *db, struct store_unit *units,
                                         struct err *err) MUST_CHECK;

/* Whether the log holds what the database file lacks. */
bool store_sqlite_is_dirty(const struct store_sqlite *db);
/* Whether the log has grown so far that it should be copied although there is work. */
bool store_sqlite_is_long(const struct store_sqlite *db);
/* Copies the log into the file as far as readers allow; cuts a very long one. Failures are logged
 * once. */
void store_sqlite_checkpoint(struct store_sqlite *db);
/* Gives up the pages it remembers; there was no work for a while. */
void store_sqlite_rest(struct store_sqlite *db);
#endif
