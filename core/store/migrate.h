/* migrate - brings a database to the newest schema: numbered, forward only, from the embedded files
 * store/NNN_<what>.sql (001 upward without a gap). What was applied stands in antiphon_migrations.
 *   - a new database: all of them;
 *   - one made by ADK's SqliteSessionService, or by an older version of ours: a copy is put beside
 * it first
 *     (`<path>.backup-v<version>`, with .2, .3 ... while that name is taken), then what is missing;
 *   - refused untouched (EINVAL): a newer version of ours; the layouts of ADK's
 * DatabaseSessionService (version 1: dates as text; version 0: pickled actions); tables of another
 * program. A migration runs in one transaction with its row in antiphon_migrations: it happened or
 * it did not. */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H
#include <sqlite3.h>
#include "base/embed.h"
#include "base/err.h"

#define MIGRATE_MAX_BACKUPS 100 /* of one version; more: EEXISTS */

/* [main] files: embed_files, or a test's own. */
enum antiphon_status migrate_run(sqlite3 *db, const char *path, const struct embed *files,
                                 struct err *err) MUST_CHECK;
#endif
