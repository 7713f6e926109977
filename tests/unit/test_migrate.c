#include "store_fixture.h"

#include "base/embed.h"
#include "store/migrate.h"

static sqlite3 *open_raw(void)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static void run_raw(const char *sql)
{
    sqlite3 *db = open_raw();
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s", message);
    sqlite3_close(db);
}

static enum antiphon_status migrate(const struct embed *files, struct err *err)
{
    sqlite3 *db = open_raw();
    enum antiphon_status status = migrate_run(db, path, files, err);
    /* Whatever happened, no transaction is left open. */
    assert_true(sqlite3_get_autocommit(db));
    sqlite3_close(db);
    return status;
}

static bool exists(const char *suffix)
{
    char name[256];
    snprintf(name, sizeof(name), "%.200s%.40s", path, suffix);
    return access(name, F_OK) == 0;
}

#define FILE_OF(name, text)                                                                        \
    {                                                                                              \
        name, text, sizeof(text) - 1                                                               \
    }
#define SESSIONS                                                                                   \
    "CREATE TABLE IF NOT EXISTS sessions (app_name TEXT NOT NULL, user_id TEXT NOT NULL, id TEXT " \
    "NOT NULL, state TEXT NOT NULL, create_time REAL NOT NULL, update_time REAL NOT NULL)"

/* Not in order, and with a file that is none of ours. */
static const struct embed one[] = {
    FILE_OF("models.json", "{}"), FILE_OF("store/001_a.sql", SESSIONS), {NULL, NULL, 0}};
static const struct embed three[] = {
    FILE_OF("store/003_c.sql", "CREATE TABLE c (x); INSERT INTO c VALUES (3)"),
    FILE_OF("store/001_a.sql", SESSIONS),
    FILE_OF("store/002_b.sql", "CREATE TABLE b (x)"),
    {NULL, NULL, 0}};
static const struct embed broken[] = {
    FILE_OF("store/001_a.sql", SESSIONS),
    FILE_OF("store/002_b.sql", "CREATE TABLE b (x); CREATE TABLE nonsense"),
    FILE_OF("store/003_c.sql", "CREATE TABLE c (x)"),
    {NULL, NULL, 0}};

static void new_database_gets_all(void **state)
{
    struct err err;
    (void)state;
    assert_int_equal(migrate(three, &err), ANTIPHON_OK);
    assert_string_equal(query("SELECT group_concat(version || name, ' ') FROM antiphon_migrations"),
                        "1001_a.sql 2002_b.sql 3003_c.sql");
    assert_string_equal(query("SELECT x FROM c"), "3");
    assert_false(exists(".backup-v0"));
    /* And no second time. */
    assert_int_equal(migrate(three, &err), ANTIPHON_OK);
    assert_string_equal(query("SELECT count(*) FROM c"), "1");
    assert_false(exists(".backup-v3"));
}

static void older_database_is_backed_up(void **state)
{
    struct err err;
    struct stat st;
    char backup[256], kept[256];
    (void)state;
    assert_int_equal(migrate(one, &err), ANTIPHON_OK);
    run_raw("INSERT INTO sessions VALUES ('a', 'u', 's', '{}', 1, 2)");
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(migrate(three, &err), ANTIPHON_OK);
    assert_string_equal(query("SELECT max(version) FROM antiphon_migrations"), "3");
    assert_string_equal(query("SELECT count(*) FROM sessions"), "1");
    assert_false(exists(".backup-part"));
    snprintf(backup, sizeof(backup), "%.200s.backup-v1", path);
    assert_int_equal(stat(backup, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    snprintf(kept, sizeof(kept), "%s", path);
    snprintf(path, sizeof(path), "%s", backup);
    assert_string_equal(query("SELECT max(version) FROM antiphon_migrations"), "1");
    assert_string_equal(query("SELECT count(*) FROM sessions"), "1");
    assert_string_equal(query("PRAGMA integrity_check"), "ok");
    snprintf(path, sizeof(path), "%s", kept);
}

static void backups_are_never_overwritten(void **state)
{
    struct err err;
    size_t len;
    char backup[256];
    (void)state;
    assert_int_equal(migrate(one, &err), ANTIPHON_OK);
    snprintf(backup, sizeof(backup), "%.200s.backup-v1", path);
    write_all(backup, "precious", 8);
    assert_int_equal(migrate(three, &err), ANTIPHON_OK);
    char *data = read_all(backup, &len);
    assert_string_equal(data, "precious");
    free(data);
    assert_true(exists(".backup-v1.2"));
}

static void failure_leaves_the_last_good_version(void **state)
{
    struct err err;
    (void)state;
    assert_int_not_equal(migrate(broken, &err), ANTIPHON_OK);
    assert_non_null(strstr(err.text, "002_b.sql"));
    assert_string_equal(query("SELECT max(version) FROM antiphon_migrations"), "1");
    assert_string_equal(query("SELECT count(*) FROM sqlite_master WHERE name IN ('b', 'c')"), "0");
    assert_int_equal(migrate(three, &err), ANTIPHON_OK);
    assert_string_equal(query("SELECT max(version) FROM antiphon_migrations"), "3");
}

static void no_backup_no_change(void **state)
{
    struct err err;
    char name[256];
    (void)state;
    assert_int_equal(migrate(one, &err), ANTIPHON_OK);
    snprintf(name, sizeof(name), "%.200s.backup-part", path);
    assert_int_equal(mkdir(name, 0700), 0); /* cannot be unlinked */
    assert_int_equal(migrate(three, &err), ANTIPHON_EDENIED);
    assert_non_null(strstr(err.text, "backup"));
    assert_string_equal(query("SELECT max(version) FROM antiphon_migrations"), "1");
}

static void newer_database_is_refused(void **state)
{
    struct err err;
    (void)state;
    assert_int_equal(migrate(three, &err), ANTIPHON_OK);
    assert_int_equal(migrate(one, &err), ANTIPHON_EINVAL);
    assert_non_null(strstr(err.text, "newer antiphon (schema 3, this one knows 1)"));
}

static void embedded_files_make_adks_tables(void **state)
{
    struct err err;
    size_t len;
    char *recorded = read_all(FIXTURES_DIR "/wire/db/sqlite.schema.sql", &len);
    static const char *const names[] = {"app_states", "user_states", "sessions", "events"};
    (void)state;
    assert_int_equal(migrate(embed_files, &err), ANTIPHON_OK);
    for (size_t i = 0; i < 4; i++) {
        char sql[128];
        snprintf(sql, sizeof(sql), "SELECT sql FROM sqlite_master WHERE name = '%s'", names[i]);
        /* To the letter, as SQLite keeps it. */
        if (!strstr(recorded, query(sql)) || !*query(sql))
            fail_msg("%s differs: %s", names[i], query(sql));
    }
    free(recorded);
}

static void refuse_untouched(const char *words)
{
    struct err err = {.text = ""};
    size_t before_len, after_len;
    char *before = read_all(path, &before_len);
    assert_int_equal(migrate(embed_files, &err), ANTIPHON_EINVAL);
    if (!strstr(err.text, words))
        fail_msg("%s", err.text);
    char *after = read_all(path, &after_len);
    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, after_len);
    assert_false(exists(".backup-v0"));
    free(before);
    free(after);
}

static void other_layouts_are_refused(void **state)
{
    (void)state;
    use_fixture("sqlite-aiosqlite-v0.db");
    refuse_untouched("version 0");
    use_fixture("sqlite-aiosqlite-v0.db");
    refuse_untouched("migrate_from_sqlalchemy_sqlite");
    use_fixture("sqlite-aiosqlite.db");
    refuse_untouched("version 1");
    /* Also without its table of metadata. */
    run_raw("DROP TABLE adk_internal_metadata");
    refuse_untouched("version 1");
    unlink(path);
    run_raw("CREATE TABLE bookmarks (url)");
    refuse_untouched("another program");
    unlink(path);
    run_raw("CREATE TABLE sessions (id, cookie)");
    refuse_untouched("\"sessions\"");
    unlink(path);
    run_raw("CREATE TABLE app_states (app_name, state, update_time, owner TEXT NOT NULL)");
    refuse_untouched("\"app_states\"");
}

static void newer_adk_is_welcome(void **state)
{
    struct err err;
    (void)state;
    use_fixture("sqlite.db");
    run_raw(
        "CREATE TABLE more (x); ALTER TABLE sessions ADD COLUMN owner TEXT NOT NULL DEFAULT ''");
    assert_int_equal(migrate(embed_files, &err), ANTIPHON_OK);
    assert_true(exists(".backup-v0"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        T(new_database_gets_all),
        T(older_database_is_backed_up),
        T(backups_are_never_overwritten),
        T(failure_leaves_the_last_good_version),
        T(no_backup_no_change),
        T(newer_database_is_refused),
        T(embedded_files_make_adks_tables),
        T(other_layouts_are_refused),
        T(newer_adk_is_welcome),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
