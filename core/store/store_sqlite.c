#include "store/store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "store/migrate.h"
#include "store/state.h"
#include "store/store_data.h"
#include "store/store_sql.h"
#include "base/banned.h"

#define BUSY_MS     2000 /* another program may have the file open too */
#define LONG_BYTES  (16 * 1024 * 1024)
#define CUT_BYTES   (64 * 1024 * 1024)
#define CUT_WAIT_MS 100 /* for readers to let go of the log */

enum statement {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_SAVE,
    SQL_KEEP,
    SQL_UNDO,
    SQL_ADD_SESSION,
    SQL_GET_SESSION,
    SQL_SET_SESSION,
    SQL_TOUCH_SESSION,
    SQL_ADD_EVENT,
    SQL_GET_APP,
    SQL_SET_APP,
    SQL_GET_USER,
    SQL_SET_USER,
    SQL_SET_HANDLE,
    SQL_DROP_HANDLE,
    SQL_ADD_CALL,
    SQL_SET_CALL,
    SQL_COUNT
};

static const char *const sql[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_SAVE] = "SAVEPOINT unit",
    [SQL_KEEP] = "RELEASE unit",
    [SQL_UNDO] = "ROLLBACK TO unit",
    [SQL_ADD_SESSION] =
        "INSERT INTO sessions (app_name, user_id, id, state, create_time, update_time)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?5) ON CONFLICT DO NOTHING",
    [SQL_GET_SESSION] =
        "SELECT state FROM sessions WHERE app_name = ?1 AND user_id = ?2 AND id = ?3",
    [SQL_SET_SESSION] = "UPDATE sessions SET state = ?4, update_time = ?5"
                        " WHERE app_name = ?1 AND user_id = ?2 AND id = ?3",
    [SQL_TOUCH_SESSION] = "UPDATE sessions SET update_time = ?5"
                          " WHERE app_name = ?1 AND user_id = ?2 AND id = ?3",
    [SQL_ADD_EVENT] =
        "INSERT INTO events (app_name, user_id, session_id, event_data, timestamp, id,"
        " invocation_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SQL_GET_APP] = "SELECT state FROM app_states WHERE app_name = ?1",
    [SQL_SET_APP] = "INSERT INTO app_states (app_name, state, update_time) VALUES (?1, ?4, ?5)"
                    " ON CONFLICT DO UPDATE SET state = ?4, update_time = ?5",
    [SQL_GET_USER] = "SELECT state FROM user_states WHERE app_name = ?1 AND user_id = ?2",
    [SQL_SET_USER] = "INSERT INTO user_states (app_name, user_id, state, update_time)"
                     " VALUES (?1, ?2, ?4, ?5)"
                     " ON CONFLICT DO UPDATE SET state = ?4, update_time = ?5",
    [SQL_SET_HANDLE] = "INSERT INTO antiphon_handles (app_name, user_id, session_id, handle,"
                       " update_time, model) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                       " ON CONFLICT DO UPDATE SET handle = ?4, update_time = ?5, model = ?6",
    [SQL_DROP_HANDLE] = "DELETE FROM antiphon_handles"
                        " WHERE app_name = ?1 AND user_id = ?2 AND session_id = ?3",
    [SQL_ADD_CALL] = "INSERT INTO antiphon_tool_calls (app_name, user_id, session_id, args,"
                     " requested_time, id, state, invocation_id, call_id, agent, tool)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [SQL_SET_CALL] =
        "UPDATE antiphon_tool_calls SET"
        " state = CASE state WHEN 'undone' THEN state ELSE coalesce(?7, state) END,"
        " result = coalesce(?4, result), receipt = coalesce(?8, receipt), reason = coalesce(?9, reason),"
        " started_time = CASE ?7 WHEN 'running' THEN ?5 ELSE started_time END,"
        " ended_time = CASE WHEN ?7 IS NULL OR ?7 = 'running' OR state = 'undone' THEN ended_time ELSE ?5 END"
        " WHERE id = ?6",
};

/* Nobody but the server that was killed could have ended them. */
static const char interrupt_calls[] =
    "UPDATE antiphon_tool_calls SET state = 'failed', reason = 'interrupted',"
    " ended_time = (julianday('now') - 2440587.5) * 86400.0 WHERE ended_time IS NULL";

struct store_sqlite {
    sqlite3 *db;
    char *path; /* owned */
    sqlite3_stmt *statements[SQL_COUNT];
    struct store_data *data; /* owned */
    int page_size;
    int wal_pages, copied_pages; /* of the log; copied into the file */
    bool checkpoint_failing;
    enum antiphon_status fault; /* of the running transaction: the database's, not a unit's */
    struct err fault_err;
};

/* ---- opening ------------------------------------------------------------------------------ */

static int on_wal(void *ctx, sqlite3 *db, const char *name, int pages)
{
    struct store_sqlite *self = ctx;
    (void)db;
    (void)name;
    /* Fewer than before: the log was begun anew. */
    if (pages < self->wal_pages)
        self->copied_pages = 0;
    self->wal_pages = pages;
    return SQLITE_OK;
}

static enum antiphon_status create_file(const char *path, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, ANTIPHON_EDENIED, "the database %s cannot be written: %s", path,
                       strerror(errno));
    close(fd);
    return ANTIPHON_OK;
}

static enum antiphon_status check_content(struct store_sqlite *self, struct err *err)
{
    sqlite3_int64 bytes = 0;
    sqlite3_stmt *check;
    enum antiphon_status status = store_sql_int(
        self->db, self->path,
        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", 0, &bytes, err);
    if (status != ANTIPHON_OK || bytes > STORE_MAX_CHECKED_BYTES)
        return status;
    if (sqlite3_prepare_v2(self->db, "PRAGMA quick_check(1)", -1, &check, NULL) != SQLITE_OK)
        return store_sql_fail(self->db, self->path, err);
    const unsigned char *text = NULL;
    if (sqlite3_step(check) == SQLITE_ROW)
        text = sqlite3_column_text(check, 0);
    if (!text || strcmp((const char *)text, "ok") != 0)
        status = err_set(err, ANTIPHON_EINVAL,
                         "the database %s is damaged; restore a backup, or save what can be read "
                         "with: sqlite3 %s .recover",
                         self->path, self->path);
    sqlite3_finalize(check);
    return status;
}

static enum antiphon_status turn_wal_on(struct store_sqlite *self, struct err *err)
{
    sqlite3_stmt *pragma;
    enum antiphon_status status = ANTIPHON_OK;
    if (sqlite3_prepare_v2(self->db, "PRAGMA journal_mode = WAL", -1, &pragma, NULL) != SQLITE_OK)
        return store_sql_fail(self->db, self->path, err);
    if (sqlite3_step(pragma) != SQLITE_ROW)
        status = store_sql_fail(self->db, self->path, err);
    else if (strcmp((const char *)sqlite3_column_text(pragma, 0), "wal") != 0)
        status = err_set(err, ANTIPHON_EINVAL,
                         "the file system of %s cannot share memory between programs (a network "
                         "file system?); put the database on a local disk",
                         self->path);
    sqlite3_finalize(pragma);
    return status;
}

static enum antiphon_status configure(struct store_sqlite *self, struct err *err)
{
    sqlite3_int64 page_size = 0;
    enum antiphon_status status = turn_wal_on(self, err);
    if (status == ANTIPHON_OK)
        status = store_sql_exec(self->db, self->path,
                                "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
                                "PRAGMA journal_size_limit = 67108864; PRAGMA foreign_keys = ON;"
                                "PRAGMA cache_size = -2000; PRAGMA temp_store = MEMORY",
                                err);
    if (status == ANTIPHON_OK)
        status = store_sql_int(self->db, self->path, "PRAGMA page_size", 4096, &page_size, err);
    if (status == ANTIPHON_OK)
        status = store_sql_exec(self->db, self->path, interrupt_calls, err);
    for (int i = 0; status == ANTIPHON_OK && i < SQL_COUNT; i++)
        status = store_sql_prepare(self->db, self->path, sql[i], &self->statements[i], err);
    if (status == ANTIPHON_OK)
        status = store_data_open(self->db, self->path, &self->data, err);
    if (status != ANTIPHON_OK)
        return status;
    self->page_size = (int)page_size;
    sqlite3_wal_hook(self->db, on_wal, self);
    return ANTIPHON_OK;
}

static enum antiphon_status open_file(struct store_sqlite *self, struct err *err)
{
    sqlite3_int64 tables = 0;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    enum antiphon_status status = create_file(self->path, err);
    if (status != ANTIPHON_OK)
        return status;
    if (sqlite3_open_v2(self->path, &self->db, flags, NULL) != SQLITE_OK)
        return store_sql_fail(self->db, self->path, err);
    sqlite3_extended_result_codes(self->db, 1);
    sqlite3_busy_timeout(self->db, BUSY_MS);
    sqlite3_db_config(self->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(self->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (sqlite3_db_readonly(self->db, "main") == 1)
        return err_set(err, ANTIPHON_EDENIED, "the database %s cannot be written", self->path);
    status =
        store_sql_int(self->db, self->path, "SELECT count(*) FROM sqlite_master", 0, &tables, err);
    if (status == ANTIPHON_OK)
        status = check_content(self, err);
    if (status == ANTIPHON_OK)
        status = migrate_run(self->db, self->path, embed_files, err);
    return status == ANTIPHON_OK ? configure(self, err) : status;
}

enum antiphon_status store_sqlite_open(const char *path, struct store_sqlite **db, struct err *err)
{
    struct store_sqlite *self = calloc(1, sizeof(*self));
    enum antiphon_status status = err_set(err, ANTIPHON_ENOMEM, "out of memory");
    if (self)
        self->path = strdup(path);
    if (self && self->path)
        status = open_file(self, err);
    if (status != ANTIPHON_OK) {
        store_sqlite_close(self);
        return status;
    }
    *db = self;
    return ANTIPHON_OK;
}

void store_sqlite_close(struct store_sqlite *db)
{
    if (!db)
        return;
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(db->statements[i]);
    store_data_close(db->data);
    /* The last connection copies the whole log and removes it. */
    sqlite3_close(db->db);
    free(db->path);
    free(db);
}

/* ---- statements --------------------------------------------------------------------------- */

/* What a failed step means: a constraint is the unit's fault, anything else the database's. */
static enum antiphon_status fail(struct store_sqlite *self)
{
    int code = sqlite3_errcode(self->db) & 0xFF;
    struct err err;
    enum antiphon_status status = store_sql_fail(self->db, self->path, &err);
    if (code != SQLITE_CONSTRAINT && code != SQLITE_TOOBIG && self->fault == ANTIPHON_OK) {
        self->fault = status;
        self->fault_err = err;
    }
    return status;
}

static enum antiphon_status run(struct store_sqlite *self, enum statement which)
{
    sqlite3_stmt *statement = self->statements[which];
    enum antiphon_status status = ANTIPHON_OK;
    if (sqlite3_step(statement) != SQLITE_DONE)
        status = fail(self);
    sqlite3_reset(statement);
    return status;
}

static sqlite3_stmt *bind(struct store_sqlite *self, enum statement which,
                          const struct store_record *record)
{
    /* Not every statement has all of them; SQLITE_RANGE is then what we want. The texts outlive the
     * step. */
    sqlite3_stmt *statement = self->statements[which];
    sqlite3_bind_text(statement, 1, record->key.app, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, record->key.user, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, record->key.session, -1, SQLITE_STATIC);
    sqlite3_bind_double(statement, 5, record->timestamp);
    return statement;
}

static enum antiphon_status run_text(struct store_sqlite *self, enum statement which,
                                     const struct store_record *record, const char *text,
                                     size_t len)
{
    sqlite3_stmt *statement = bind(self, which, record);
    sqlite3_bind_text64(statement, 4, text, len, SQLITE_STATIC, SQLITE_UTF8);
    enum antiphon_status status = run(self, which);
    sqlite3_clear_bindings(statement);
    return status;
}

/* The stored state with delta over it into out; *found tells whether there was one. */
static enum antiphon_status merge_stored(struct store_sqlite *self, enum statement get,
                                         const struct store_record *record, const struct buf *delta,
                                         struct buf *out, bool *found)
{
    sqlite3_stmt *statement = bind(self, get, record);
    enum antiphon_status status = ANTIPHON_OK;
    int code = sqlite3_step(statement);
    *found = code == SQLITE_ROW;
    if (*found) {
        const char *state = (const char *)sqlite3_column_text(statement, 0);
        size_t len = (size_t)sqlite3_column_bytes(statement, 0);
        status = state ? state_merge(state, len, delta->data, delta->len, out) : ANTIPHON_ENOMEM;
    } else if (code != SQLITE_DONE) {
        status = fail(self);
    }
    sqlite3_reset(statement);
    return status;
}

static enum antiphon_status put_shared(struct store_sqlite *self, enum statement get,
                                       enum statement set, const struct store_record *record,
                                       const struct buf *delta)
{
    struct buf merged;
    bool found;
    if (delta->len == 0)
        return ANTIPHON_OK;
    buf_init(&merged, STORE_MAX_STATE);
    enum antiphon_status status = merge_stored(self, get, record, delta, &merged, &found);
    const struct buf *state = found ? &merged : delta;
    if (status == ANTIPHON_OK)
        status = run_text(self, set, record, state->data, state->len);
    buf_deinit(&merged);
    return status;
}

static enum antiphon_status put_shared_parts(struct store_sqlite *self,
                                             const struct store_record *record,
                                             const struct state_parts *parts)
{
    enum antiphon_status status = put_shared(self, SQL_GET_APP, SQL_SET_APP, record, &parts->app);
    if (status == ANTIPHON_OK)
        status = put_shared(self, SQL_GET_USER, SQL_SET_USER, record, &parts->user);
    return status;
}

/* ---- records ------------------------------------------------------------------------------ */

static enum antiphon_status write_session(struct store_sqlite *self,
                                          const struct store_record *record)
{
    struct state_parts parts;
    enum antiphon_status status = ANTIPHON_OK;
    state_parts_init(&parts, STORE_MAX_STATE);
    if (record->json)
        status = state_split(record->json, record->json_len, &parts);
    const char *state = parts.session.len > 0 ? parts.session.data : "{}";
    if (status == ANTIPHON_OK)
        status = run_text(self, SQL_ADD_SESSION, record, state, strlen(state));
    if (status == ANTIPHON_OK && sqlite3_changes(self->db) > 0)
        status = put_shared_parts(self, record, &parts);
    state_parts_deinit(&parts);
    return status;
}

static enum antiphon_status
touch_session(struct store_sqlite *self, const struct store_record *record, const struct buf *delta)
{
    struct buf merged;
    bool found = true;
    enum antiphon_status status = ANTIPHON_OK;
    buf_init(&merged, STORE_MAX_STATE);
    if (delta->len > 0) {
        status = merge_stored(self, SQL_GET_SESSION, record, delta, &merged, &found);
        if (status == ANTIPHON_OK && found)
            status = run_text(self, SQL_SET_SESSION, record, merged.data, merged.len);
    } else {
        bind(self, SQL_TOUCH_SESSION, record);
        status = run(self, SQL_TOUCH_SESSION);
        found = sqlite3_changes(self->db) > 0;
    }
    buf_deinit(&merged);
    if (status == ANTIPHON_OK && !found)
        return ANTIPHON_ENOTFOUND;
    return status;
}

static enum antiphon_status write_event(struct store_sqlite *self,
                                        const struct store_record *record)
{
    struct state_parts parts;
    enum antiphon_status status = ANTIPHON_OK;
    state_parts_init(&parts, STORE_MAX_STATE);
    if (!state_is_object(record->json, record->json_len))
        status = ANTIPHON_EINVAL;
    if (status == ANTIPHON_OK && record->state_delta)
        status = state_split(record->state_delta, strlen(record->state_delta), &parts);
    if (status == ANTIPHON_OK)
        status = touch_session(self, record, &parts.session);
    if (status == ANTIPHON_OK)
        status = put_shared_parts(self, record, &parts);
    if (status == ANTIPHON_OK) {
        sqlite3_stmt *statement = self->statements[SQL_ADD_EVENT];
        sqlite3_bind_text(statement, 6, record->id, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 7, record->invocation_id, -1, SQLITE_STATIC);
        status = run_text(self, SQL_ADD_EVENT, record, record->json, record->json_len);
    }
    state_parts_deinit(&parts);
    return status;
}

static enum antiphon_status write_handle(struct store_sqlite *self,
                                         const struct store_record *record)
{
    if (!record->json || record->json_len == 0) {
        bind(self, SQL_DROP_HANDLE, record);
        return run(self, SQL_DROP_HANDLE);
    }
    sqlite3_bind_text(self->statements[SQL_SET_HANDLE], 6, record->model, -1, SQLITE_STATIC);
    return run_text(self, SQL_SET_HANDLE, record, record->json, record->json_len);
}

static enum antiphon_status write_data(struct store_sqlite *self, const struct store_record *record)
{
    bool sql_fault;
    enum antiphon_status status = store_data_write(self->data, record, &sql_fault);

    return sql_fault ? fail(self) : status;
}

static enum antiphon_status write_call(struct store_sqlite *self, const struct store_record *record)
{
    const struct store_call *call = &record->call;
    bool added = call->state && strcmp(call->state, "requested") == 0;
    enum statement which = added ? SQL_ADD_CALL : SQL_SET_CALL;
    const char *const texts[] = {record->id,
                                 call->state,
                                 added ? record->invocation_id : call->receipt,
                                 added ? call->call_id : call->reason,
                                 call->agent,
                                 call->tool};
    for (int i = 0; i < (added ? 6 : 4); i++)
        sqlite3_bind_text(self->statements[which], 6 + i, texts[i], -1, SQLITE_STATIC);
    return added ? run_text(self, which, record, call->args, call->args ? strlen(call->args) : 0)
                 : run_text(self, which, record, record->json, record->json_len);
}

static enum antiphon_status write_record(struct store_sqlite *self,
                                         const struct store_record *record)
{
    switch (record->kind) {
    case STORE_SESSION:
        return write_session(self, record);
    case STORE_EVENT:
        return write_event(self, record);
    case STORE_HANDLE:
        return write_handle(self, record);
    case STORE_DATA:
    case STORE_NOTICE:
    case STORE_NOTICE_OVER:
        return write_data(self, record);
    case STORE_TOOL_CALL:
        return write_call(self, record);
    }
    return ANTIPHON_EINVAL;
}

/* ---- transactions ------------------------------------------------------------------------- */

static void write_unit(struct store_sqlite *self, struct store_unit *unit)
{
    unit->status = run(self, SQL_SAVE);
    if (unit->status != ANTIPHON_OK)
        return;
    for (size_t i = 0; unit->status == ANTIPHON_OK && i < unit->n; i++)
        unit->status = write_record(self, &unit->records[i]);
    /* A full disk may have ended the whole transaction already. */
    if (sqlite3_get_autocommit(self->db))
        return;
    if (unit->status != ANTIPHON_OK && run(self, SQL_UNDO) != ANTIPHON_OK)
        return;
    if (run(self, SQL_KEEP) != ANTIPHON_OK && unit->status == ANTIPHON_OK)
        unit->status = self->fault;
}

static enum antiphon_status write_units(struct store_sqlite *self, struct store_unit *units)
{
    enum antiphon_status status = run(self, SQL_BEGIN);
    for (struct store_unit *unit = units; status == ANTIPHON_OK && unit; unit = unit->next) {
        write_unit(self, unit);
        if (sqlite3_get_autocommit(self->db))
            status = self->fault ? self->fault : ANTIPHON_EINTERNAL;
    }
    if (status == ANTIPHON_OK)
        status = run(self, SQL_COMMIT);
    return status;
}

enum antiphon_status store_sqlite_commit(struct store_sqlite *db, struct store_unit *units,
                                         struct err *err)
{
    uint64_t since_us = clock_now_us();
    db->fault = ANTIPHON_OK;
    enum antiphon_status status = write_units(db, units);
    if (status != ANTIPHON_OK) {
        if (!sqlite3_get_autocommit(db->db))
            sqlite3_exec(db->db, "ROLLBACK", NULL, NULL, NULL);
        for (struct store_unit *unit = units; unit; unit = unit->next)
            unit->status = status;
        metrics_add(METRIC_store_failures, 1);
        *err = db->fault_err;
        return status;
    }
    uint64_t records = 0;
    for (const struct store_unit *unit = units; unit; unit = unit->next)
        records += unit->status == ANTIPHON_OK ? unit->n : 0;
    metrics_add(METRIC_store_commits, 1);
    metrics_add(METRIC_store_records, records);
    metrics_observe(HISTOGRAM_store_commit, clock_now_us() - since_us);
    metrics_observe(HISTOGRAM_store_batch_records, records);
    if (db->fault != ANTIPHON_OK)
        *err = db->fault_err;
    return db->fault;
}

/* ---- checkpoints -------------------------------------------------------------------------- */

bool store_sqlite_is_dirty(const struct store_sqlite *db)
{
    return db->copied_pages < db->wal_pages;
}

bool store_sqlite_is_long(const struct store_sqlite *db)
{
    return (long long)(db->wal_pages - db->copied_pages) * db->page_size > LONG_BYTES;
}

void store_sqlite_checkpoint(struct store_sqlite *db)
{
    int pages = -1, copied = -1;
    bool cut = (long long)db->wal_pages * db->page_size > CUT_BYTES;
    int mode = cut ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    sqlite3_busy_timeout(db->db, CUT_WAIT_MS);
    int code = sqlite3_wal_checkpoint_v2(db->db, "main", mode, &pages, &copied);
    sqlite3_busy_timeout(db->db, BUSY_MS);
    bool failed = code != SQLITE_OK && (code & 0xFF) != SQLITE_BUSY;
    if (failed && !db->checkpoint_failing) {
        struct err err;
        store_sql_fail(db->db, db->path, &err);
        log_warn("store", "the log cannot be copied into the database (it keeps growing): %s",
                 err.text);
    } else if (!failed && db->checkpoint_failing) {
        log_info("store", "the log is copied into the database again");
    }
    db->checkpoint_failing = failed;
    /* A log that was copied whole is begun anew by the next commit. What a reader held back, or a
     * failure, is tried again after the next commit, not in a loop. */
    if (!failed && pages == copied)
        db->wal_pages = 0;
    db->copied_pages = db->wal_pages;
}

void store_sqlite_rest(struct store_sqlite *db)
{
    sqlite3_db_release_memory(db->db);
}
