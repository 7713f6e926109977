#include "store/store_data.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "store/store_sql.h"
#include "base/banned.h"

#define NOW            "((julianday('now') - 2440587.5) * 86400.0)"
#define TRIGRAM        3 /* characters: shorter words are not in the index */
#define MAX_SQL_BYTES  4096
#define MAX_WORD_BYTES 1024 /* of a word that is looked for, with what escapes it */

enum statement {
    SQL_PUT,
    SQL_DROP,
    SQL_ROWS,
    SQL_INDEX,
    SQL_UNINDEX,
    SQL_NOTICE,
    SQL_OVER,
    SQL_OLD,
    SQL_NOTICES,
    SQL_COUNT
};

static const char *const sql[SQL_COUNT] = {
    [SQL_PUT] = "INSERT INTO antiphon_plugin_data (plugin, user_id, key, value, update_time)"
                " VALUES (?1, ?2, ?3, ?4, ?5)"
                " ON CONFLICT DO UPDATE SET value = ?4, update_time = ?5",
    [SQL_DROP] = "DELETE FROM antiphon_plugin_data WHERE plugin = ?1 AND user_id = ?2 AND key = ?3",
    /* Whether so many are there that a new one is one too many. */
    [SQL_ROWS] = "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM antiphon_plugin_data"
                 " WHERE plugin = ?1 AND user_id = ?2 AND key = ?3) AND EXISTS (SELECT 1"
                 " FROM antiphon_plugin_data WHERE plugin = ?1 AND user_id = ?2 LIMIT 1 OFFSET ?6)",
    [SQL_INDEX] = "INSERT INTO antiphon_plugin_search (rowid, value) SELECT id, value"
                  " FROM antiphon_plugin_data WHERE plugin = ?1 AND user_id = ?2 AND key = ?3",
    [SQL_UNINDEX] = "INSERT INTO antiphon_plugin_search (antiphon_plugin_search, rowid, value)"
                    " SELECT 'delete', id, value FROM antiphon_plugin_data"
                    " WHERE plugin = ?1 AND user_id = ?2 AND key = ?3",
    [SQL_NOTICE] = "INSERT INTO antiphon_notices (app_name, user_id, session_id, text, until_time, id, plugin)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SQL_OVER] = "DELETE FROM antiphon_notices WHERE id = ?6",
    [SQL_OLD] = "DELETE FROM antiphon_notices WHERE app_name = ?1 AND user_id = ?2 AND session_id = ?3"
                " AND until_time < " NOW,
    [SQL_NOTICES] = "SELECT 1 FROM antiphon_notices WHERE app_name = ?1 AND user_id = ?2 AND session_id = ?3"
                    " LIMIT 1 OFFSET ?6",
};

struct store_data {
    sqlite3_stmt *statements[SQL_COUNT];
};

/* ---- the writer -------------------------------------------------------------------------------------- */

enum antiphon_status store_data_open(sqlite3 *db, const char *path, struct store_data **data, struct err *err)
{
    struct store_data *made = calloc(1, sizeof(*made));
    enum antiphon_status status = ANTIPHON_OK;

    if (!made)
        return err_set(err, ANTIPHON_ENOMEM, "out of memory");
    for (int i = 0; !status && i < SQL_COUNT; i++)
        status = store_sql_prepare(db, path, sql[i], &made->statements[i], err);
    if (status)
        store_data_close(made);
    else
        *data = made;
    return status;
}

void store_data_close(struct store_data *data)
{
    if (!data)
        return;
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(data->statements[i]);
    free(data);
}

static sqlite3_stmt *bind(struct store_data *data, enum statement which, const struct store_record *record)
{
    /* Not every statement has all of them; SQLITE_RANGE is then what we want. */
    sqlite3_stmt *statement = data->statements[which];

    sqlite3_bind_text(statement, 1, record->key.app, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, record->key.user, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, record->key.session, -1, SQLITE_STATIC);
    sqlite3_bind_text64(statement, 4, record->json ? record->json : "", record->json_len, SQLITE_STATIC,
                        SQLITE_UTF8);
    sqlite3_bind_double(statement, 5, record->timestamp);
    return statement;
}

static enum antiphon_status run(sqlite3_stmt *statement, bool *sql_fault)
{
    int code = sqlite3_step(statement);

    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    *sql_fault = code != SQLITE_DONE && code != SQLITE_ROW;
    return store_sql_status(code);
}

/* EBUSY if the question has an answer: there is one at the place that must stay free. */
static enum antiphon_status check_room(struct store_data *data, enum statement which,
                                       const struct store_record *record, int most, bool *sql_fault)
{
    sqlite3_stmt *statement = bind(data, which, record);

    sqlite3_bind_int(statement, 6, most - 1);
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    *sql_fault = code != SQLITE_DONE && code != SQLITE_ROW;
    return code == SQLITE_ROW ? ANTIPHON_EBUSY : store_sql_status(code);
}

static enum antiphon_status put(struct store_data *data, const struct store_record *record, bool *sql_fault)
{
    enum antiphon_status status = ANTIPHON_OK;

    if (record->json)
        status = check_room(data, SQL_ROWS, record, STORE_MAX_DATA_ROWS, sql_fault);
    if (!status)
        status = run(bind(data, SQL_UNINDEX, record), sql_fault);
    if (!status)
        status = run(bind(data, record->json ? SQL_PUT : SQL_DROP, record), sql_fault);
    if (!status && record->json)
        status = run(bind(data, SQL_INDEX, record), sql_fault);
    return status;
}

static enum antiphon_status add_notice(struct store_data *data, const struct store_record *record, bool *sql_fault)
{
    enum antiphon_status status = run(bind(data, SQL_OLD, record), sql_fault);
    sqlite3_stmt *statement;

    if (!status)
        status = check_room(data, SQL_NOTICES, record, STORE_MAX_NOTICES, sql_fault);
    if (status)
        return status;
    statement = bind(data, SQL_NOTICE, record);
    sqlite3_bind_text(statement, 6, record->id, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 7, record->model, -1, SQLITE_STATIC);
    return run(statement, sql_fault);
}

enum antiphon_status store_data_write(struct store_data *data, const struct store_record *record, bool *sql_fault)
{
    sqlite3_stmt *statement;

    *sql_fault = false;
    switch (record->kind) {
    case STORE_DATA:
        return put(data, record, sql_fault);
    case STORE_NOTICE:
        return add_notice(data, record, sql_fault);
    case STORE_NOTICE_OVER:
        statement = bind(data, SQL_OVER, record);
        sqlite3_bind_text(statement, 6, record->id, -1, SQLITE_STATIC);
        return run(statement, sql_fault);
    default:
        return ANTIPHON_EINVAL;
    }
}

/* ---- the reader --------------------------------------------------------------------------------------- */

void store_rows_free(struct store_rows *rows)
{
    if (!rows)
        return;
    for (size_t i = 0; i < rows->n; i++) {
        free(rows->row[i].key);
        free(rows->row[i].id);
        free(rows->row[i].value);
    }
    free(rows->row);
    free(rows);
}

static char *copy_column(sqlite3_stmt *statement, int column, size_t *len)
{
    const void *data = sqlite3_column_text(statement, column);
    size_t n = (size_t)sqlite3_column_bytes(statement, column);
    char *copy = data ? malloc(n + 1) : NULL;

    if (!copy)
        return NULL;
    memcpy(copy, data, n);
    copy[n] = '\0';
    *len = n;
    return copy;
}

/* Columns: key, value, time and, for notices, id. */
static enum antiphon_status add_row(struct store_rows *rows, sqlite3_stmt *statement, size_t *bytes)
{
    size_t more = 0;
    struct store_row *row, *grown = realloc(rows->row, (rows->n + 1) * sizeof(*grown));

    if (!grown)
        return ANTIPHON_ENOMEM;
    rows->row = grown;
    row = &rows->row[rows->n];
    *row = (struct store_row){.time = sqlite3_column_double(statement, 2)};
    row->key = copy_column(statement, 0, &more);
    row->value = copy_column(statement, 1, &row->len);
    if (sqlite3_column_count(statement) > 3)
        row->id = copy_column(statement, 3, &more);
    rows->n++;
    if (!row->key || !row->value || (sqlite3_column_count(statement) > 3 && !row->id))
        return ANTIPHON_ENOMEM;
    *bytes += row->len + more;
    return ANTIPHON_OK;
}

static enum antiphon_status collect(sqlite3 *db, const char *path, sqlite3_stmt *statement, struct store_rows **rows,
                                    struct err *err)
{
    struct store_rows *made = calloc(1, sizeof(*made));
    enum antiphon_status status = made ? ANTIPHON_OK : ANTIPHON_ENOMEM;
    size_t bytes = 0;
    int code = SQLITE_DONE;

    while (!status && bytes < STORE_MAX_FIND_BYTES && (code = sqlite3_step(statement)) == SQLITE_ROW)
        status = add_row(made, statement, &bytes);
    if (status)
        err_set(err, status, "out of memory");
    else if (code != SQLITE_DONE && code != SQLITE_ROW)
        status = store_sql_fail(db, path, err);
    if (status)
        store_rows_free(made);
    else
        *rows = made;
    return status;
}

/* One word of the search: quoted for the index, or escaped for LIKE where it is too short for that. */
struct word {
    bool indexed;
    char text[MAX_WORD_BYTES];
};

static bool make_word(const char *from, size_t len, struct word *word)
{
    struct buf text;

    buf_init(&text, MAX_WORD_BYTES - 1);
    word->indexed = utf8_count(from, len) >= TRIGRAM;
    buf_puts(&text, word->indexed ? "\"" : "%");
    for (size_t i = 0; i < len; i++) {
        if (word->indexed ? from[i] == '"' : strchr("%_\\", from[i]) != NULL)
            buf_puts(&text, word->indexed ? "\"" : "\\");
        buf_append(&text, from + i, 1);
    }
    buf_puts(&text, word->indexed ? "\"" : "%");
    bool good = buf_status(&text) == ANTIPHON_OK;
    if (good)
        memcpy(word->text, buf_text(&text), text.len + 1);
    buf_deinit(&text);
    return good;
}

static size_t split(const char *text, struct word *words)
{
    static const char space[] = " \t\r\n";
    size_t n = 0;

    while (text && n < STORE_MAX_WORDS && *(text += strspn(text, space))) {
        size_t len = strcspn(text, space);
        if (make_word(text, len, &words[n]))
            n++;
        text += len;
    }
    return n;
}

/* ?1 plugin, ?2 user, ?3 prefix, ?4 its length, ?5 limit, ?6 what the index is asked, ?7... words for LIKE. */
static enum antiphon_status make_sql(const struct store_query *query, const struct word *words, size_t n,
                                     struct buf *text, struct buf *match)
{
    int next = 7;

    for (size_t i = 0; i < n; i++) {
        if (words[i].indexed)
            buf_printf(match, "%s%s", match->len ? " AND " : "", words[i].text);
    }
    buf_puts(text, "SELECT d.key, d.value, d.update_time FROM antiphon_plugin_data AS d");
    if (match->len)
        buf_puts(text, " JOIN antiphon_plugin_search ON antiphon_plugin_search.rowid = d.id"
                       " AND antiphon_plugin_search MATCH ?6");
    buf_puts(text, " WHERE d.plugin = ?1 AND d.user_id = ?2");
    if (query->key)
        buf_puts(text, " AND d.key = ?3");
    else if (query->prefix && query->prefix[0])
        buf_puts(text, " AND d.key >= ?3 AND substr(d.key, 1, ?4) = ?3");
    for (size_t i = 0; i < n; i++) {
        if (!words[i].indexed)
            buf_printf(text, " AND d.value LIKE ?%d ESCAPE '\\'", next++);
    }
    buf_puts(text, match->len ? " ORDER BY antiphon_plugin_search.rank, d.key"
                   : n        ? " ORDER BY d.update_time DESC, d.key"
                              : " ORDER BY d.key");
    buf_puts(text, " LIMIT ?5");
    return buf_status(text) ? buf_status(text) : buf_status(match);
}

static void bind_query(sqlite3_stmt *statement, const struct store_query *query, const struct word *words, size_t n,
                       const struct buf *match)
{
    const char *prefix = query->key ? query->key : query->prefix;
    int next = 7;

    /* Not every question has all of them; SQLITE_RANGE is then what we want. */
    sqlite3_bind_text(statement, 1, query->plugin, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, query->user, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, prefix, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 4, prefix ? (sqlite3_int64)utf8_count(prefix, strlen(prefix)) : 0);
    sqlite3_bind_int64(statement, 5, query->limit);
    sqlite3_bind_text(statement, 6, buf_text(match), -1, SQLITE_STATIC);
    for (size_t i = 0; i < n; i++) {
        if (!words[i].indexed)
            sqlite3_bind_text(statement, next++, words[i].text, -1, SQLITE_STATIC);
    }
}

enum antiphon_status store_data_find(sqlite3 *db, const char *path, const struct store_query *query,
                                     struct store_rows **rows, struct err *err)
{
    struct word *words = calloc(STORE_MAX_WORDS, sizeof(*words));
    sqlite3_stmt *statement = NULL;
    struct buf text, match;
    size_t n = 0;
    enum antiphon_status status = words ? ANTIPHON_OK : err_set(err, ANTIPHON_ENOMEM, "out of memory");

    buf_init(&text, MAX_SQL_BYTES);
    buf_init(&match, STORE_MAX_WORDS * (MAX_WORD_BYTES + 8));
    if (!status) {
        n = split(query->text, words);
        status = make_sql(query, words, n, &text, &match);
    }
    if (!status && sqlite3_prepare_v2(db, buf_text(&text), -1, &statement, NULL) != SQLITE_OK)
        status = store_sql_fail(db, path, err);
    if (!status) {
        bind_query(statement, query, words, n, &match);
        status = collect(db, path, statement, rows, err);
    }
    sqlite3_finalize(statement);
    buf_deinit(&text);
    buf_deinit(&match);
    free(words);
    return status;
}

enum antiphon_status store_data_notices(sqlite3 *db, const char *path, const struct store_key *key,
                                        struct store_rows **rows, struct err *err)
{
    static const char ask[] = "SELECT plugin, text, until_time, id FROM antiphon_notices WHERE app_name = ?1"
                              " AND user_id = ?2 AND session_id = ?3 AND until_time >= " NOW " ORDER BY rowid";
    sqlite3_stmt *statement = NULL;
    enum antiphon_status status;

    if (sqlite3_prepare_v2(db, ask, -1, &statement, NULL) != SQLITE_OK)
        return store_sql_fail(db, path, err);
    sqlite3_bind_text(statement, 1, key->app, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, key->user, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 3, key->session, -1, SQLITE_STATIC);
    status = collect(db, path, statement, rows, err);
    sqlite3_finalize(statement);
    return status;
}
