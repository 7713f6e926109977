#include "store/store_sql.h"

#include <errno.h>
#include <string.h>

#include "base/banned.h"

static enum antiphon_status constraint_status(int code)
{
    switch (code) {
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_UNIQUE:
        return ANTIPHON_EEXISTS;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return ANTIPHON_ENOTFOUND;
    default:
        return ANTIPHON_EINVAL;
    }
}

enum antiphon_status store_sql_status(int code)
{
    switch (code & 0xFF) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return ANTIPHON_OK;
    case SQLITE_NOMEM:
        return ANTIPHON_ENOMEM;
    case SQLITE_BUSY:
        return ANTIPHON_EBUSY;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return ANTIPHON_EDENIED;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return ANTIPHON_EINVAL;
    case SQLITE_CONSTRAINT:
        return constraint_status(code);
    case SQLITE_TOOBIG:
        return ANTIPHON_ETOOBIG;
    case SQLITE_INTERRUPT:
        return ANTIPHON_ECANCELLED;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return ANTIPHON_EUNAVAILABLE;
    default:
        return ANTIPHON_EINTERNAL;
    }
}

enum antiphon_status store_sql_fail(sqlite3 *db, const char *path, struct err *err)
{
    int code = sqlite3_extended_errcode(db);
    enum antiphon_status status = store_sql_status(code);
    if (status == ANTIPHON_OK)
        status = ANTIPHON_EINTERNAL;
    switch (code & 0xFF) {
    case SQLITE_NOTADB:
        return err_set(err, status, "%s is not an SQLite database; give the store another path",
                       path);
    case SQLITE_CORRUPT:
        return err_set(
            err, status,
            "the database %s is damaged; restore a backup, or save what can be read with: "
            "sqlite3 %s .recover",
            path, path);
    case SQLITE_FULL:
        return err_set(err, status, "no space is left on the disk of %s; free some", path);
    case SQLITE_BUSY:
        return err_set(err, status, "another program keeps the database %s locked; close it", path);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return err_set(err, ANTIPHON_EDENIED, "the database %s cannot be written", path);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN: {
        int os_code = sqlite3_system_errno(db);
        return err_set(err, status, "the database %s: %s%s%s (%d)", path, sqlite3_errstr(code),
                       os_code ? ", " : "", os_code ? strerror(os_code) : "", code);
    }
    default:
        return err_set(err, status, "the database %s: %s (%d)", path, sqlite3_errmsg(db), code);
    }
}

enum antiphon_status store_sql_exec(sqlite3 *db, const char *path, const char *sql, struct err *err)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return store_sql_fail(db, path, err);
    return ANTIPHON_OK;
}

enum antiphon_status store_sql_prepare(sqlite3 *db, const char *path, const char *sql,
                                       sqlite3_stmt **statement, struct err *err)
{
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) != SQLITE_OK)
        return store_sql_fail(db, path, err);
    return ANTIPHON_OK;
}

enum antiphon_status store_sql_int(sqlite3 *db, const char *path, const char *sql,
                                   sqlite3_int64 fallback, sqlite3_int64 *value, struct err *err)
{
    sqlite3_stmt *statement;
    enum antiphon_status status = ANTIPHON_OK;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        return store_sql_fail(db, path, err);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *value = sqlite3_column_int64(statement, 0);
    else if (code == SQLITE_DONE)
        *value = fallback;
    else
        status = store_sql_fail(db, path, err);
    sqlite3_finalize(statement);
    return status;
}
