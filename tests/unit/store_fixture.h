/* store_fixture - what the tests of the store share: a folder of their own, raw SQL beside the
 * store, and calls that wait for their answer. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H
#include "unit.h"

#include <ftw.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store.h"

static char folder[64];
static char path[256]; /* of the database */

static inline int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/antiphon-store-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/s.db", folder);
    return 0;
}

static inline int remove_one(const char *name, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(name);
}

static inline int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The bytes of a file; the caller frees. */
static inline char *read_all(const char *name, size_t *len)
{
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *len = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(*len + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *len, file), *len);
    data[*len] = '\0';
    fclose(file);
    return data;
}

static inline void write_all(const char *name, const void *data, size_t len)
{
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* A recorded database under the test's path. */
static inline void use_fixture(const char *name)
{
    char from[512];
    size_t len;
    snprintf(from, sizeof(from), FIXTURES_DIR "/wire/db/%s", name);
    char *data = read_all(from, &len);
    write_all(path, data, len);
    free(data);
}

/* First column of the first row as text ("" for none or NULL), from a connection of its own. The
 * text is good until the next call. */
static inline const char *query(const char *sql)
{
    static char text[8192];
    sqlite3 *db;
    sqlite3_stmt *statement;
    text[0] = '\0';
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW && sqlite3_column_text(statement, 0))
        snprintf(text, sizeof(text), "%s", (const char *)sqlite3_column_text(statement, 0));
    else if (code != SQLITE_DONE && code != SQLITE_ROW)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return text;
}

static inline struct store *open_store(void)
{
    struct store_options options = {.path = path};
    struct store *store = NULL;
    struct err err = {.text = ""};
    if (store_open(&options, &store, &err) != ANTIPHON_OK)
        fail_msg("%s", err.text);
    return store;
}

/* The sentence is good until the next call. */
static inline const char *open_refused(enum antiphon_status expected)
{
    static struct err err;
    struct store_options options = {.path = path};
    struct store *store = NULL;
    err.text[0] = '\0';
    enum antiphon_status status = store_open(&options, &store, &err);
    if (status != expected)
        fail_msg("status %d, not %d: %s", status, expected, err.text);
    assert_null(store);
    return err.text;
}

static const struct store_key KEY = {"app", "user", "s1"};

static inline struct store_record session_record(struct store_key key, const char *state)
{
    return (struct store_record){.kind = STORE_SESSION,
                                 .key = key,
                                 .timestamp = 1000,
                                 .json = state,
                                 .json_len = state ? strlen(state) : 0};
}

static inline struct store_record event_record(struct store_key key, const char *id, double time,
                                               const char *json, const char *delta)
{
    return (struct store_record){.kind = STORE_EVENT,
                                 .key = key,
                                 .id = id,
                                 .invocation_id = "e-1",
                                 .timestamp = time,
                                 .json = json,
                                 .json_len = strlen(json),
                                 .state_delta = delta};
}

struct answer {
    sem_t ready;
    enum antiphon_status status;
    struct store_snapshot *snapshot;
};

static inline void on_done(void *ctx, enum antiphon_status status)
{
    struct answer *answer = ctx;
    answer->status = status;
    sem_post(&answer->ready);
}

static inline void on_loaded(void *ctx, enum antiphon_status status,
                             struct store_snapshot *snapshot)
{
    struct answer *answer = ctx;
    answer->status = status;
    answer->snapshot = snapshot;
    sem_post(&answer->ready);
}

static inline void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        ;
}

static inline enum antiphon_status append(struct store *store, const struct store_record *records,
                                          size_t n)
{
    struct answer answer;
    sem_init(&answer.ready, 0, 0);
    assert_int_equal(store_append(store, records, n, on_done, &answer), ANTIPHON_OK);
    wait_for(&answer.ready);
    sem_destroy(&answer.ready);
    return answer.status;
}

static inline struct store_snapshot *load(struct store *store, struct store_key key, size_t max)
{
    struct answer answer = {.snapshot = NULL};
    sem_init(&answer.ready, 0, 0);
    assert_int_equal(store_load(store, &key, max, on_loaded, &answer), ANTIPHON_OK);
    wait_for(&answer.ready);
    sem_destroy(&answer.ready);
    assert_int_equal(answer.status, ANTIPHON_OK);
    assert_non_null(answer.snapshot);
    return answer.snapshot;
}
#endif
