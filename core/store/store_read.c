#include "store/store_read.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "store/state.h"
#include "store/store_data.h"
#include "store/store_sql.h"
#include "store/store_sqlite.h"
#include "base/banned.h"

#define BUSY_MS 2000

enum statement {
    SQL_BEGIN,
    SQL_END,
    SQL_SESSION,
    SQL_APP,
    SQL_USER,
    SQL_HANDLE,
    SQL_EVENTS,
    SQL_CALLS,
    SQL_COUNT
};

static const char *const sql[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN",
    [SQL_END] = "COMMIT",
    [SQL_SESSION] = "SELECT state FROM sessions WHERE app_name = ?1 AND user_id = ?2 AND id = ?3",
    [SQL_APP] = "SELECT state FROM app_states WHERE app_name = ?1",
    [SQL_USER] = "SELECT state FROM user_states WHERE app_name = ?1 AND user_id = ?2",
    [SQL_HANDLE] = "SELECT handle, model, update_time FROM antiphon_handles"
                   " WHERE app_name = ?1 AND user_id = ?2 AND session_id = ?3",
    /* Events may carry earlier times than those before them; equal times are in order of arrival.
     * The inner query sorts without dragging the events along. */
    [SQL_EVENTS] = "SELECT event_data FROM events WHERE rowid IN (SELECT rowid FROM events"
                   " WHERE app_name = ?1 AND user_id = ?2 AND session_id = ?3"
                   " ORDER BY timestamp DESC, rowid DESC LIMIT ?4)"
                   " ORDER BY timestamp DESC, rowid DESC",
    [SQL_CALLS] = "SELECT id, call_id, tool, state, reason, args, result, receipt,"
                  " started_time IS NOT NULL FROM antiphon_tool_calls"
                  " WHERE app_name = ?1 AND user_id = ?2 AND session_id = ?3"
                  " ORDER BY requested_time DESC, rowid DESC LIMIT ?4",
};

struct store_reader {
    sqlite3 *db;
    char *path; /* owned */
    sqlite3_stmt *statements[SQL_COUNT];
};

static enum antiphon_status open_file(struct store_reader *self, struct err *err)
{
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    enum antiphon_status status;
    if (sqlite3_open_v2(self->path, &self->db, flags, NULL) != SQLITE_OK)
        return store_sql_fail(self->db, self->path, err);
    sqlite3_extended_result_codes(self->db, 1);
    sqlite3_busy_timeout(self->db, BUSY_MS);
    sqlite3_db_config(self->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    status = store_sql_exec(self->db, self->path,
                            "PRAGMA query_only = ON; PRAGMA cache_size = -80;"
                            "PRAGMA temp_store = MEMORY",
                            err);
    for (int i = 0; status == ANTIPHON_OK && i < SQL_COUNT; i++)
        status = store_sql_prepare(self->db, self->path, sql[i], &self->statements[i], err);
    return status;
}

enum antiphon_status store_reader_open(const char *path, struct store_reader **reader,
                                       struct err *err)
{
    struct store_reader *self = calloc(1, sizeof(*self));
    enum antiphon_status status = err_set(err, ANTIPHON_ENOMEM, "out of memory");
    if (self)
        self->path = strdup(path);
    if (self && self->path)
        status = open_file(self, err);
    if (status != ANTIPHON_OK) {
        store_reader_close(self);
        return status;
    }
    *reader = self;
    return ANTIPHON_OK;
}

void store_reader_close(struct store_reader *reader)
{
    if (!reader)
        return;
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(reader->statements[i]);
    sqlite3_close(reader->db);
    free(reader->path);
    free(reader);
}

static sqlite3_stmt *bind(struct store_reader *self, enum statement which,
                          const struct store_key *key)
{
    /* Not every statement has all of them; SQLITE_RANGE is then what we want. */
    sqlite3_stmt *statement = self->statements[which];
    sqlite3_bind_text(statement, 1, key->app, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, key->user, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, key->session, -1, SQLITE_STATIC);
    return statement;
}

static enum antiphon_status copy_text(sqlite3_stmt *statement, int column, char **text, size_t *len)
{
    const void *data = sqlite3_column_text(statement, column);
    size_t n = (size_t)sqlite3_column_bytes(statement, column);
    char *copy = data ? malloc(n + 1) : NULL;
    if (!copy)
        return ANTIPHON_ENOMEM;
    memcpy(copy, data, n);
    copy[n] = '\0';
    *text = copy;
    if (len)
        *len = n;
    return ANTIPHON_OK;
}

/* *state stays NULL if there is no row. */
static enum antiphon_status load_state(struct store_reader *self, enum statement which,
                                       const struct store_key *key, char **state, struct err *err)
{
    sqlite3_stmt *statement = bind(self, which, key);
    enum antiphon_status status = ANTIPHON_OK;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        status = copy_text(statement, 0, state, NULL);
    else if (code != SQLITE_DONE)
        status = store_sql_fail(self->db, self->path, err);
    sqlite3_reset(statement);
    return status;
}

static enum antiphon_status load_states(struct store_reader *self, const struct store_key *key,
                                        struct store_snapshot *snapshot, struct err *err)
{
    char *session = NULL, *app = NULL, *user = NULL;
    struct buf merged;
    enum antiphon_status status = load_state(self, SQL_SESSION, key, &session, err);
    buf_init(&merged, (size_t)STORE_MAX_STATE * 4);
    if (status == ANTIPHON_OK)
        status = load_state(self, SQL_APP, key, &app, err);
    if (status == ANTIPHON_OK)
        status = load_state(self, SQL_USER, key, &user, err);
    if (status != ANTIPHON_OK)
        goto out;
    status = state_join(session, app, user, &merged);
    if (status != ANTIPHON_OK) {
        status =
            err_set(err, status, "the stored state of a session is no JSON object, or too large");
        goto out;
    }
    snapshot->exists = session != NULL;
    snapshot->state = buf_take(&merged);
out:
    free(session);
    free(app);
    free(user);
    buf_deinit(&merged);
    return status;
}

static enum antiphon_status load_handle(struct store_reader *self, const struct store_key *key,
                                        struct store_snapshot *snapshot, struct err *err)
{
    sqlite3_stmt *statement = bind(self, SQL_HANDLE, key);
    enum antiphon_status status = ANTIPHON_OK;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        snapshot->handle_time = sqlite3_column_double(statement, 2);
        status = copy_text(statement, 0, &snapshot->handle, NULL);
        if (status == ANTIPHON_OK)
            status = copy_text(statement, 1, &snapshot->handle_model, NULL);
    } else if (code != SQLITE_DONE) {
        status = store_sql_fail(self->db, self->path, err);
    }
    sqlite3_reset(statement);
    return status;
}

static enum antiphon_status grow_events(struct store_snapshot *snapshot, size_t *cap)
{
    if (snapshot->events_n < *cap)
        return ANTIPHON_OK;
    size_t more = *cap ? *cap * 2 : 32;
    struct store_text *grown = realloc(snapshot->events, more * sizeof(*grown));
    if (!grown)
        return ANTIPHON_ENOMEM;
    snapshot->events = grown;
    *cap = more;
    return ANTIPHON_OK;
}

static void reverse_events(struct store_snapshot *snapshot)
{
    for (size_t i = 0, n = snapshot->events_n; i < n / 2; i++) {
        struct store_text event = snapshot->events[i];
        snapshot->events[i] = snapshot->events[n - 1 - i];
        snapshot->events[n - 1 - i] = event;
    }
}

static enum antiphon_status load_events(struct store_reader *self, const struct store_key *key,
                                        size_t max_events, struct store_snapshot *snapshot,
                                        struct err *err)
{
    sqlite3_stmt *statement = bind(self, SQL_EVENTS, key);
    enum antiphon_status status = ANTIPHON_OK;
    size_t cap = 0, bytes = 0;
    int code = SQLITE_DONE;
    sqlite3_bind_int64(statement, 4, max_events > INT_MAX ? INT_MAX : (sqlite3_int64)max_events);
    while (status == ANTIPHON_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        bytes += (size_t)sqlite3_column_bytes(statement, 0);
        if (bytes > STORE_MAX_LOAD_BYTES)
            break;
        status = grow_events(snapshot, &cap);
        if (status == ANTIPHON_OK) {
            struct store_text *event = &snapshot->events[snapshot->events_n];
            status = copy_text(statement, 0, &event->text, &event->len);
        }
        if (status == ANTIPHON_OK)
            snapshot->events_n++;
    }
    if (status == ANTIPHON_OK && code != SQLITE_DONE && code != SQLITE_ROW)
        status = store_sql_fail(self->db, self->path, err);
    sqlite3_reset(statement);
    reverse_events(snapshot);
    return status;
}

static void free_call(struct store_call_row *row)
{
    free(row->id);
    free(row->call_id);
    free(row->tool);
    free(row->state);
    free(row->reason);
    free(row->args);
    free(row->result);
    free(row->receipt);
}

static enum antiphon_status copy_call(sqlite3_stmt *statement, struct store_call_row *row)
{
    char **const texts[] = {&row->id,     &row->call_id, &row->tool,   &row->state,
                            &row->reason, &row->args,    &row->result, &row->receipt};
    enum antiphon_status status = ANTIPHON_OK;
    for (int i = 0; status == ANTIPHON_OK && i < 8; i++) {
        if (sqlite3_column_type(statement, i) != SQLITE_NULL)
            status = copy_text(statement, i, texts[i], NULL);
    }
    row->ran = sqlite3_column_int(statement, 8) != 0;
    return status;
}

static int call_bytes(sqlite3_stmt *statement)
{
    return sqlite3_column_bytes(statement, 5) + sqlite3_column_bytes(statement, 6) +
           sqlite3_column_bytes(statement, 7);
}

static enum antiphon_status load_calls(struct store_reader *self, const struct store_key *key,
                                       struct store_snapshot *snapshot, struct err *err)
{
    sqlite3_stmt *statement = bind(self, SQL_CALLS, key);
    enum antiphon_status status = ANTIPHON_OK;
    size_t bytes = 0;
    int code;
    sqlite3_bind_int(statement, 4, STORE_MAX_CALLS);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        bytes += (size_t)call_bytes(statement);
        if (bytes > STORE_MAX_CALLS_BYTES)
            break;
        if (!snapshot->calls)
            snapshot->calls = calloc(STORE_MAX_CALLS, sizeof(*snapshot->calls));
        status = snapshot->calls ? copy_call(statement, &snapshot->calls[snapshot->calls_n++])
                                 : ANTIPHON_ENOMEM;
        if (status != ANTIPHON_OK)
            break;
    }
    if (status == ANTIPHON_OK && code != SQLITE_DONE && code != SQLITE_ROW)
        status = store_sql_fail(self->db, self->path, err);
    sqlite3_reset(statement);
    for (size_t i = 0, n = snapshot->calls_n; i < n / 2; i++) {
        struct store_call_row row = snapshot->calls[i];
        snapshot->calls[i] = snapshot->calls[n - 1 - i];
        snapshot->calls[n - 1 - i] = row;
    }
    return status;
}

static enum antiphon_status run(struct store_reader *self, enum statement which, struct err *err)
{
    enum antiphon_status status = ANTIPHON_OK;
    if (sqlite3_step(self->statements[which]) != SQLITE_DONE)
        status = store_sql_fail(self->db, self->path, err);
    sqlite3_reset(self->statements[which]);
    return status;
}

enum antiphon_status store_reader_load(struct store_reader *reader, const struct store_key *key,
                                       size_t max_events, struct store_snapshot **snapshot,
                                       struct err *err)
{
    struct store_snapshot *made = calloc(1, sizeof(*made));
    struct err ignored;
    if (!made)
        return err_set(err, ANTIPHON_ENOMEM, "out of memory");
    enum antiphon_status status = run(reader, SQL_BEGIN, err);
    if (status == ANTIPHON_OK)
        status = load_states(reader, key, made, err);
    if (status == ANTIPHON_OK)
        status = load_handle(reader, key, made, err);
    if (status == ANTIPHON_OK && max_events > 0)
        status = load_events(reader, key, max_events, made, err);
    if (status == ANTIPHON_OK)
        status = store_data_notices(reader->db, reader->path, key, &made->notices, err);
    if (status == ANTIPHON_OK)
        status = load_calls(reader, key, made, err);
    /* A failure may have ended it already. */
    if (!sqlite3_get_autocommit(reader->db) && run(reader, SQL_END, &ignored) != ANTIPHON_OK)
        sqlite3_exec(reader->db, "ROLLBACK", NULL, NULL, NULL);
    if (status != ANTIPHON_OK) {
        store_snapshot_free(made);
        return status;
    }
    *snapshot = made;
    return ANTIPHON_OK;
}

enum antiphon_status store_reader_find(struct store_reader *reader, const struct store_query *query,
                                       struct store_rows **rows, struct err *err)
{
    return store_data_find(reader->db, reader->path, query, rows, err);
}

void store_snapshot_free(struct store_snapshot *snapshot)
{
    if (!snapshot)
        return;
    for (size_t i = 0; i < snapshot->events_n; i++)
        free(snapshot->events[i].text);
    free(snapshot->events);
    for (size_t i = 0; i < snapshot->calls_n; i++)
        free_call(&snapshot->calls[i]);
    free(snapshot->calls);
    free(snapshot->state);
    free(snapshot->handle);
    free(snapshot->handle_model);
    store_rows_free(snapshot->notices);
    free(snapshot);
}
