/* store_sql - what every user of a SQLite connection here needs: result codes as our statuses,
 * failures as sentences. The thread is the connection's. */
#ifndef STORE_STORE_SQL_H
#define STORE_STORE_SQL_H
#include <sqlite3.h>
#include "base/err.h"

/* FULL, IOERR, CANTOPEN, LOCKED and the like: EUNAVAILABLE; BUSY: EBUSY; READONLY, PERM: EDENIED;
 * NOTADB and CORRUPT: EINVAL; a constraint: EEXISTS (key), ENOTFOUND (foreign key) or EINVAL. */
enum antiphon_status store_sql_status(int code);
/* A sentence for the operator about the connection's last failure, with the next step where there
 * is one; returns its status. Never holds stored content. */
enum antiphon_status store_sql_fail(sqlite3 *db, const char *path, struct err *err);
/* Statements without result. */
enum antiphon_status store_sql_exec(sqlite3 *db, const char *path, const char *sql,
                                    struct err *err) MUST_CHECK;
/* Kept for the life of the connection. */
enum antiphon_status store_sql_prepare(sqlite3 *db, const char *path, const char *sql,
                                       sqlite3_stmt **statement, struct err *err) MUST_CHECK;
/* First column of the first row; fallback if there is no row. */
enum antiphon_status store_sql_int(sqlite3 *db, const char *path, const char *sql,
                                   sqlite3_int64 fallback, sqlite3_int64 *value,
                                   struct err *err) MUST_CHECK;
#endif
