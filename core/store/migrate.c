#include "store/migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/migrate_layout.h"
#include "store/store_sql.h"
#include "base/banned.h"

#define FOLDER "store/"
#define DIGITS 3

static int file_version(const struct embed *file)
{
    const char *name = file->name;
    int version = 0;
    if (strncmp(name, FOLDER, strlen(FOLDER)) != 0)
        return 0;
    name += strlen(FOLDER);
    for (int i = 0; i < DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        version = version * 10 + (name[i] - '0');
    }
    return name[DIGITS] == '_' ? version : 0;
}

static const struct embed *find_version(const struct embed *files, int version)
{
    for (; files->name; files++)
        if (file_version(files) == version)
            return files;
    return NULL;
}

static int newest_version(const struct embed *files)
{
    int version = 0;
    while (find_version(files, version + 1))
        version++;
    return version;
}

static enum antiphon_status applied_version(sqlite3 *db, const char *path, int *version,
                                            struct err *err)
{
    sqlite3_int64 value = 0;
    enum antiphon_status status = store_sql_int(
        db, path, "SELECT count(*) FROM sqlite_master WHERE name = 'antiphon_migrations'", 0,
        &value, err);
    if (status == ANTIPHON_OK && value > 0)
        status = store_sql_int(
            db, path, "SELECT coalesce(max(version), 0) FROM antiphon_migrations", 0, &value, err);
    if (status == ANTIPHON_OK)
        *version = value > INT_MAX ? INT_MAX : (int)value;
    return status;
}

/* ---- backup ------------------------------------------------------------------------------- */

static enum antiphon_status file_fail(const char *name, struct err *err)
{
    return err_set(err, errno == ENOSPC ? ANTIPHON_EUNAVAILABLE : ANTIPHON_EDENIED,
                   "no backup %s could be written before the change of schema: %s", name,
                   strerror(errno));
}

/* SQLite would create it readable for everybody. */
static enum antiphon_status create_like(const char *name, const char *original, struct err *err)
{
    struct stat st;
    unlink(name);
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return file_fail(name, err);
    bool ok = stat(original, &st) == 0 && fchmod(fd, st.st_mode & 0777) == 0;
    enum antiphon_status status = ok ? ANTIPHON_OK : file_fail(name, err);
    close(fd);
    return status;
}

static enum antiphon_status copy_database(sqlite3 *db, const char *name, struct err *err)
{
    sqlite3 *copy = NULL;
    enum antiphon_status status = ANTIPHON_OK;
    if (sqlite3_open_v2(name, &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK) {
        status = store_sql_fail(copy, name, err);
        goto out;
    }
    sqlite3_backup *backup = sqlite3_backup_init(copy, "main", db, "main");
    if (backup) {
        sqlite3_backup_step(backup, -1);
        sqlite3_backup_finish(backup);
    }
    /* backup_finish() leaves the outcome of the whole in the copy's connection. */
    if (!backup || sqlite3_errcode(copy) != SQLITE_OK)
        status = store_sql_fail(copy, name, err);
out:
    sqlite3_close(copy);
    return status;
}

static enum antiphon_status free_name(const char *path, int version, char *name, size_t size,
                                      struct err *err)
{
    for (int i = 1; i <= MIGRATE_MAX_BACKUPS; i++) {
        int len = snprintf(name, size, "%s.backup-v%d", path, version);
        if (i > 1 && len > 0 && (size_t)len < size)
            snprintf(name + len, size - (size_t)len, ".%d", i);
        if (access(name, F_OK) != 0)
            return ANTIPHON_OK;
    }
    return err_set(err, ANTIPHON_EEXISTS, "%d backups %s.backup-v%d.* exist; remove old ones",
                   MIGRATE_MAX_BACKUPS, path, version);
}

static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

/* Under its final name only when it is whole. */
static enum antiphon_status make_backup(sqlite3 *db, const char *path, int version, struct err *err)
{
    char part[PATH_MAX], name[PATH_MAX];
    snprintf(part, sizeof(part), "%s.backup-part", path);
    enum antiphon_status status = free_name(path, version, name, sizeof(name), err);
    if (status == ANTIPHON_OK)
        status = create_like(part, path, err);
    if (status == ANTIPHON_OK)
        status = copy_database(db, part, err);
    if (status == ANTIPHON_OK && rename(part, name) != 0)
        status = file_fail(name, err);
    if (status != ANTIPHON_OK) {
        unlink(part);
        return status;
    }
    sync_folder(path);
    log_info("store", "backup of the database before the change of schema: %s", name);
    return ANTIPHON_OK;
}

/* ---- migrations --------------------------------------------------------------------------- */

static enum antiphon_status insert_row(sqlite3 *db, const char *path, int version, const char *name,
                                       struct err *err)
{
    sqlite3_stmt *insert = NULL;
    enum antiphon_status status = ANTIPHON_OK;
    if (sqlite3_prepare_v2(db, "INSERT INTO antiphon_migrations VALUES (?, ?, ?)", -1, &insert,
                           NULL) != SQLITE_OK)
        return store_sql_fail(db, path, err);
    sqlite3_bind_int(insert, 1, version);
    sqlite3_bind_text(insert, 2, name, -1, SQLITE_STATIC);
    sqlite3_bind_double(insert, 3, clock_wall());
    if (sqlite3_step(insert) != SQLITE_DONE)
        status = store_sql_fail(db, path, err);
    sqlite3_finalize(insert);
    return status;
}

static enum antiphon_status apply(sqlite3 *db, const char *path, int version,
                                  const struct embed *file, struct err *err)
{
    enum antiphon_status status = store_sql_exec(db, path,
                                                 "BEGIN IMMEDIATE;"
                                                 "CREATE TABLE IF NOT EXISTS antiphon_migrations ("
                                                 " version INTEGER PRIMARY KEY, name TEXT NOT NULL,"
                                                 " update_time REAL NOT NULL)",
                                                 err);
    if (status == ANTIPHON_OK)
        status = store_sql_exec(db, path, file->data, err);
    if (status == ANTIPHON_OK)
        status = insert_row(db, path, version, file->name + strlen(FOLDER), err);
    if (status == ANTIPHON_OK)
        status = store_sql_exec(db, path, "COMMIT", err);
    if (status == ANTIPHON_OK)
        return ANTIPHON_OK;
    err_prefix(err, "schema %s", file->name + strlen(FOLDER));
    if (!sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

enum antiphon_status migrate_run(sqlite3 *db, const char *path, const struct embed *files,
                                 struct err *err)
{
    enum migrate_layout layout;
    int version, newest = newest_version(files);
    enum antiphon_status status = applied_version(db, path, &version, err);
    if (status != ANTIPHON_OK)
        return status;
    if (version > newest)
        return err_set(err, ANTIPHON_EINVAL,
                       "the database %s was written by a newer antiphon (schema %d, this one knows "
                       "%d); use that version, or a backup %s.backup-v*",
                       path, version, newest, path);
    status = migrate_layout_check(db, path, &layout, err);
    if (status != ANTIPHON_OK || version == newest)
        return status;
    if (layout != MIGRATE_EMPTY)
        status = make_backup(db, path, version, err);
    while (status == ANTIPHON_OK && version < newest) {
        version++;
        status = apply(db, path, version, find_version(files, version), err);
    }
    return status;
}
