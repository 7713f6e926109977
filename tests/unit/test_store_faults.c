/* The store and what goes wrong around it: other programs' databases, locked and damaged ones, a
 * full disk, kill -9. Also the child programs of these tests: test_store_faults append PATH RUN
 * appends without end, prints the id of each event when it is saved test_store_faults write PATH
 * writes the database that tests/adk/read_back.py reads test_store_faults read PATH A U S prints
 * the session's state and events, a line each */
#include "store_fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sched.h>
#include <time.h>

#include "base/buf.h"

/* ---- databases made by others ------------------------------------------------------------- */

static void adk_database_goes_on(void **state)
{
    static const struct store_key alice = {"py_tools", "alice", "alice-1"};
    char events[32], name[300];
    (void)state;
    use_fixture("sqlite.db");
    struct store *store = open_store();
    struct store_snapshot *snapshot = load(store, alice, 1000);
    assert_true(snapshot->exists);
    assert_int_equal(snapshot->events_n, 18);
    assert_non_null(strstr(snapshot->state, "\"big\":12345678901234567890"));
    assert_non_null(strstr(snapshot->state, "\"sum\":0.30000000000000004"));
    assert_non_null(strstr(snapshot->state, "\"app:motto\":\"모두의 물\""));
    assert_non_null(strstr(snapshot->state, "\"user:lang\":\"ko\""));
    assert_string_equal(snapshot->events[17].text,
                        query("SELECT event_data FROM events WHERE session_id = 'alice-1' AND"
                              " app_name = 'py_tools' ORDER BY timestamp DESC, rowid DESC"));
    store_snapshot_free(snapshot);
    struct store_record records[] = {
        session_record(alice, "{\"ignored\":1}"),
        event_record(alice, "ours", 1795367300, "{\"id\":\"ours\"}",
                     "{\"count\":9007199254740993,\"user:lang\":\"en\"}"),
    };
    assert_int_equal(append(store, records, 2), ANTIPHON_OK);
    snapshot = load(store, alice, 1000);
    assert_int_equal(snapshot->events_n, 19);
    assert_string_equal(snapshot->events[18].text, "{\"id\":\"ours\"}");
    store_snapshot_free(snapshot);
    store_close(store);
    assert_string_equal(query("PRAGMA integrity_check"), "ok");
    assert_string_equal(query("SELECT count(*) FROM pragma_foreign_key_check"), "0");
    assert_string_equal(query("SELECT state FROM user_states WHERE user_id = 'alice'"),
                        "{\"lang\":\"en\",\"name\":\"Alice\"}");
    assert_string_equal(query("SELECT substr(state, 1, 48) FROM sessions WHERE id = 'alice-1' AND "
                              "app_name = 'py_tools'"),
                        "{\"count\":9007199254740993,\"last_answer\":\"Thought");
    snprintf(events, sizeof(events), "%s", query("SELECT count(*) - 1 FROM events"));
    /* The copy from before is what ADK left. */
    snprintf(name, sizeof(name), "ATTACH '%.200s.backup-v0' AS old", path);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, name, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_stmt *same;
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT (SELECT count(*) FROM (SELECT * FROM old.events"
                                        " INTERSECT SELECT * FROM main.events))"
                                        " || (SELECT count(*) FROM old.sqlite_master"
                                        " WHERE name LIKE 'antiphon%')",
                                        -1, &same, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(same), SQLITE_ROW);
    strncat(events, "0", sizeof(events) - strlen(events) - 1);
    assert_string_equal((const char *)sqlite3_column_text(same, 0), events);
    sqlite3_finalize(same);
    sqlite3_close(db);
}

static void refuse(const char *fixture, enum antiphon_status status, const char *words)
{
    size_t before_len, after_len;
    if (fixture)
        use_fixture(fixture);
    char *before = read_all(path, &before_len);
    const char *text = open_refused(status);
    if (!strstr(text, words))
        fail_msg("%s", text);
    char *after = read_all(path, &after_len);
    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, after_len);
    free(before);
    free(after);
}

static void other_databases_are_refused(void **state)
{
    (void)state;
    refuse("sqlite-aiosqlite-v0.db", ANTIPHON_EINVAL, "version 0");
    refuse("sqlite-aiosqlite.db", ANTIPHON_EINVAL, "version 1");
    refuse("sqlite.rows.json", ANTIPHON_EINVAL, "is not an SQLite database");
    unlink(path);
    struct store *store = open_store();
    store_close(store);
    query("INSERT INTO antiphon_migrations VALUES (999, 'later', 0)");
    refuse(NULL, ANTIPHON_EINVAL, "newer antiphon (schema 999");
    /* The lock went with each refusal. */
    query("DELETE FROM antiphon_migrations WHERE version = 999");
    store_close(open_store());
}

static void damaged_database_is_refused(void **state)
{
    size_t len;
    (void)state;
    use_fixture("sqlite.db");
    char *data = read_all(path, &len);
    memset(data + 4096, 0x5a, len - 4096);
    write_all(path, data, len);
    refuse(NULL, ANTIPHON_EINVAL, "is damaged; restore a backup");
    free(data);
    use_fixture("sqlite.db");
    assert_int_equal(truncate(path, 20000), 0);
    refuse(NULL, ANTIPHON_EINVAL, "is damaged");
}

static void damage_while_open_is_an_error(void **state)
{
    struct store *store = open_store();
    struct store_stats stats;
    struct answer answer = {.snapshot = NULL};
    struct store_record records[] = {session_record(KEY, NULL)};
    (void)state;
    assert_int_equal(append(store, records, 1), ANTIPHON_OK);
    /* Somebody drops a table behind our back. */
    query("DROP TABLE antiphon_handles");
    query("DROP TABLE events");
    records[0] = event_record(KEY, "1", 1, "{}", NULL);
    assert_int_not_equal(append(store, records, 1), ANTIPHON_OK);
    store_stats(store, &stats);
    assert_true(stats.failing);
    sem_init(&answer.ready, 0, 0);
    assert_int_equal(store_load(store, &KEY, 1, on_loaded, &answer), ANTIPHON_OK);
    wait_for(&answer.ready);
    assert_int_not_equal(answer.status, ANTIPHON_OK);
    assert_null(answer.snapshot);
    store_close(store);
}

/* ---- places ------------------------------------------------------------------------------- */

static void bad_places_are_refused(void **state)
{
    char kept[256];
    (void)state;
    snprintf(kept, sizeof(kept), "%s", path);
    snprintf(path, sizeof(path), "%s/missing/s.db", folder);
    assert_non_null(strstr(open_refused(ANTIPHON_ENOTFOUND), "does not exist; create it"));
    snprintf(path, sizeof(path), "%s/", folder);
    open_refused(ANTIPHON_EINVAL);
    path[0] = '\0';
    open_refused(ANTIPHON_EINVAL);
    snprintf(path, sizeof(path), "%s/directory", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    open_refused(ANTIPHON_EDENIED);
    snprintf(path, sizeof(path), "%s", kept);
    store_close(open_store());
    /* root may write everywhere, so be somebody else for a moment */
    bool root = geteuid() == 0;
    if (root) {
        assert_int_equal(seteuid(65534), 0);
    } else {
        assert_int_equal(chmod(folder, 0500), 0);
    }
    assert_non_null(strstr(open_refused(ANTIPHON_EDENIED), "cannot be written"));
    snprintf(path, sizeof(path), "%s/new.db", folder);
    assert_non_null(strstr(open_refused(ANTIPHON_EDENIED), "cannot be written"));
    if (root) {
        assert_int_equal(seteuid(0), 0);
    } else {
        assert_int_equal(chmod(folder, 0700), 0);
    }
}

static void second_server_is_refused(void **state)
{
    char link[256], kept[256], pid[32];
    struct store *store = open_store();
    (void)state;
    snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_non_null(strstr(open_refused(ANTIPHON_EEXISTS), pid));
    /* Nor by another name. */
    snprintf(link, sizeof(link), "%s/link.db", folder);
    assert_int_equal(symlink(path, link), 0);
    snprintf(kept, sizeof(kept), "%s", path);
    snprintf(path, sizeof(path), "%s", link);
    assert_non_null(strstr(open_refused(ANTIPHON_EEXISTS), "another server"));
    snprintf(path, sizeof(path), "%s/./s.db", folder);
    open_refused(ANTIPHON_EEXISTS);
    snprintf(path, sizeof(path), "%s", kept);
    store_close(store);
    store_close(open_store());
}

/* ---- disk --------------------------------------------------------------------------------- */

static char *big_event(size_t len)
{
    char *json = malloc(len + 1);
    assert_non_null(json);
    memset(json, 'x', len);
    memcpy(json, "{\"a\":\"", 6);
    memcpy(json + len - 2, "\"}", 3);
    return json;
}

static void fill_and_recover(struct store *store, void (*make_room)(void))
{
    struct store_stats stats;
    enum antiphon_status status = ANTIPHON_OK;
    char *big = big_event(200000), id[16];
    struct store_record record;
    unsigned saved = 0, i;
    for (i = 0; i < 200 && status == ANTIPHON_OK; i++) {
        snprintf(id, sizeof(id), "%u", i);
        record = event_record(KEY, id, i, big, NULL);
        status = append(store, &record, 1);
        saved += status == ANTIPHON_OK;
    }
    assert_int_equal(status, ANTIPHON_EUNAVAILABLE);
    store_stats(store, &stats);
    assert_true(stats.failing);
    /* It keeps trying, and reading goes on. */
    record.id = "again";
    assert_int_equal(append(store, &record, 1), ANTIPHON_EUNAVAILABLE);
    struct store_snapshot *snapshot = load(store, KEY, 1000);
    assert_int_equal(snapshot->events_n, saved);
    store_snapshot_free(snapshot);
    make_room();
    record.id = "after";
    assert_int_equal(append(store, &record, 1), ANTIPHON_OK);
    store_stats(store, &stats);
    assert_false(stats.failing);
    snapshot = load(store, KEY, 1000);
    assert_int_equal(snapshot->events_n, saved + 1);
    store_snapshot_free(snapshot);
    store_close(store);
    assert_string_equal(query("PRAGMA integrity_check"), "ok");
    free(big);
}

static void raise_limit(void)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Writes beyond the limit fail with EFBIG, which SQLite takes for an I/O error. */
static void disk_fails_and_recovers(void **state)
{
    struct rlimit limit;
    struct store *store = open_store();
    struct store_record session = session_record(KEY, NULL);
    (void)state;
    assert_int_equal(append(store, &session, 1), ANTIPHON_OK);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = 1 << 20;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    fill_and_recover(store, raise_limit);
}

static void remove_filler(void)
{
    char name[128];
    snprintf(name, sizeof(name), "%s/filler", folder);
    assert_int_equal(unlink(name), 0);
}

/* A disk of 2 MB, half of it taken. Needs the right to mount; without it the test above has to do.
 */
static void disk_fills_and_recovers(void **state)
{
    static char half[1 << 20];
    char name[128];
    struct store_record session = session_record(KEY, NULL);
    (void)state;
    if (mount("tmpfs", folder, "tmpfs", 0, "size=2m") != 0)
        skip();
    snprintf(name, sizeof(name), "%s/filler", folder);
    write_all(name, half, sizeof(half));
    struct store *store = open_store();
    assert_int_equal(append(store, &session, 1), ANTIPHON_OK);
    fill_and_recover(store, remove_filler);
}

static int unmount_and_remove(void **state)
{
    /* The folder may be a mount, or the test may have failed before. */
    umount2(folder, MNT_DETACH);
    return remove_folder(state);
}

/* 100 MB through a log that may only grow to a fraction of it. */
static void log_stays_short(void **state)
{
    struct store *store = open_store();
    struct store_record record = session_record(KEY, NULL);
    char *big = big_event(1000000), name[300], id[16];
    off_t longest = 0;
    struct stat st;
    (void)state;
    assert_int_equal(append(store, &record, 1), ANTIPHON_OK);
    snprintf(name, sizeof(name), "%s-wal", path);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(id, sizeof(id), "%u", i);
        record = event_record(KEY, id, i, big, NULL);
        assert_int_equal(append(store, &record, 1), ANTIPHON_OK);
        assert_int_equal(stat(name, &st), 0);
        longest = st.st_size > longest ? st.st_size : longest;
    }
    assert_in_range(longest, 1000000, 24 * 1024 * 1024);
    store_close(store);
    assert_int_equal(access(name, F_OK), -1);
    assert_string_equal(query("SELECT count(*) FROM events"), "100");
    free(big);
}

/* ---- kill -9 ----------------------------------------------------------------------------------
 */

#define KILLS  20
#define WINDOW 64

static sem_t window;
struct ticket {
    unsigned i;
};

static void on_saved(void *ctx, enum antiphon_status status)
{
    struct ticket *ticket = ctx;
    char line[32];
    int len = snprintf(line, sizeof(line), "%s%u\n", status == ANTIPHON_OK ? "" : "!", ticket->i);
    if (write(1, line, (size_t)len) != len)
        _exit(3);
    free(ticket);
    sem_post(&window);
}

static int append_without_end(const char *run)
{
    struct store *store = open_store();
    sem_init(&window, 0, WINDOW);
    for (unsigned i = 0;; i++) {
        char id[32];
        struct ticket *ticket = malloc(sizeof(*ticket));
        if (!ticket)
            return 2;
        ticket->i = i;
        snprintf(id, sizeof(id), "%s-%u", run, i);
        struct store_record records[] = {session_record(KEY, NULL),
                                         event_record(KEY, id, i, "{}", "{\"n\":1,\"app:n\":2}")};
        wait_for(&window);
        if (store_append(store, records, 2, on_saved, ticket) != ANTIPHON_OK)
            return 2;
    }
}

static pid_t start_child(const char *run, FILE **output)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        execl("/proc/self/exe", "test_store_faults", "append", path, run, (char *)NULL);
        _exit(127);
    }
    assert_true(child > 0);
    close(ends[1]);
    *output = fdopen(ends[0], "r");
    assert_non_null(*output);
    return child;
}

static void answered_is_saved_after_kill(void **state)
{
    unsigned seed = (unsigned)time(NULL);
    (void)state;
    print_message("seed %u\n", seed);
    for (unsigned run = 0; run < KILLS; run++) {
        char name[16], line[64], sql[256];
        FILE *output;
        unsigned acked = 0, last = 0, kill_after = (unsigned)rand_r(&seed) % 400;
        snprintf(name, sizeof(name), "%u", run);
        pid_t child = start_child(name, &output);
        while (fgets(line, sizeof(line), output)) {
            char *end;
            assert_true(line[0] != '!');
            last = (unsigned)strtoul(line, &end, 10);
            if (*end != '\n')
                break; /* it died writing */
            acked++;
            assert_int_equal(last + 1, acked);
            /* The pipe may hold more by then: the moment is random to the store. */
            if (acked == kill_after + 1)
                kill(child, SIGKILL);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        fclose(output);
        assert_string_equal(query("PRAGMA integrity_check"), "ok");
        /* Ids are dense, so the first acked ones being there is all of them being there. */
        snprintf(sql, sizeof(sql),
                 "SELECT count(*) FROM events WHERE id LIKE '%u-%%' AND"
                 " CAST(substr(id, instr(id, '-') + 1) AS INTEGER) < %u",
                 run, acked);
        snprintf(line, sizeof(line), "%u", acked);
        assert_string_equal(query(sql), line);
    }
    struct store *store = open_store();
    struct store_snapshot *snapshot = load(store, KEY, 1);
    assert_string_equal(snapshot->state, "{\"n\":1,\"app:n\":2}");
    store_snapshot_free(snapshot);
    store_close(store);
}

/* ---- for ADK to read ---------------------------------------------------------------------- */

/* Into a new database, or into the sessions of one that ADK made. What is expected stands in
 * read_back.py. */
static int write_for_adk(void)
{
    static const struct store_key text = {"antiphon_app", "1", "antiphon_app_1"};
    static const struct store_key alice = {"py_tools", "alice", "alice-1"};
    struct store *store = open_store();
    struct store_snapshot *snapshot = load(store, alice, 0);
    struct store_record records[] = {
        session_record(text, "{\"created\":\"안녕\",\"app:shared\":[1,2.5,null],\"temp:gone\":1}"),
        event_record(
            text, "11111111-1111-4111-8111-111111111111", 1795367301.5,
            "{\"content\":{\"parts\":[{\"text\":\"무지개 🌈 \\\"q\\\"\"}],\"role\":\"user\"},"
            "\"invocation_id\":\"e-1\",\"author\":\"user\",\"actions\":{\"state_delta\":{},"
            "\"artifact_delta\":{},\"requested_auth_configs\":{},"
            "\"requested_tool_confirmations\":{}},\"node_info\":{\"path\":\"\"},"
            "\"id\":\"11111111-1111-4111-8111-111111111111\",\"timestamp\":1795367301.5}",
            NULL),
        event_record(
            text, "22222222-2222-4222-8222-222222222222", 1795367302.25,
            "{\"content\":{\"parts\":[{\"text\":\"답\"}],\"role\":\"model\"},"
            "\"turn_complete\":true,\"interrupted\":true,\"invocation_id\":\"e-1\","
            "\"author\":\"root_agent\",\"actions\":{\"state_delta\":{"
            "\"big\":9007199254740993,\"user:name\":\"Kim\"},\"artifact_delta\":{},"
            "\"requested_auth_configs\":{},\"requested_tool_confirmations\":{}},"
            "\"node_info\":{\"path\":\"\"},"
            "\"id\":\"22222222-2222-4222-8222-222222222222\",\"timestamp\":1795367302.25}",
            "{\"big\":9007199254740993,\"huge\":12345678901234567890,\"e\":1e300,"
            "\"sum\":0.30000000000000004,\"nothing\":null,\"키 \\\"q\\\"\":{\"a\":\"\\u00e9\"},"
            "\"user:name\":\"Kim\",\"temp:gone\":2}"),
        event_record(text, "33333333-3333-4333-8333-333333333333", 1795367303,
                     "{\"invocation_id\":\"e-2\",\"author\":\"user\","
                     "\"id\":\"33333333-3333-4333-8333-333333333333\",\"timestamp\":1795367303.0}",
                     "{\"created\":\"later\",\"sum\":0.1,\"app:more\":true}"),
        event_record(alice, "44444444-4444-4444-8444-444444444444", 1795367304,
                     "{\"content\":{\"parts\":[{\"text\":\"tea again\"}],\"role\":\"user\"},"
                     "\"invocation_id\":\"e-3\",\"author\":\"user\","
                     "\"id\":\"44444444-4444-4444-8444-444444444444\",\"timestamp\":1795367304.0}",
                     "{\"count\":3,\"user:lang\":\"en\",\"app:theme\":\"light\"}"),
    };
    size_t n = snapshot->exists ? 5 : 4;
    store_snapshot_free(snapshot);
    enum antiphon_status status = append(store, records, n);
    store_close(store);
    return status == ANTIPHON_OK ? 0 : 1;
}

static int print_session(struct store_key key)
{
    struct store *store = open_store();
    struct store_snapshot *snapshot = load(store, key, 100000);
    printf("%s\n", snapshot->state);
    for (size_t i = 0; i < snapshot->events_n; i++)
        printf("%s\n", snapshot->events[i].text);
    store_snapshot_free(snapshot);
    store_close(store);
    return 0;
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        T(adk_database_goes_on),
        T(other_databases_are_refused),
        T(damaged_database_is_refused),
        T(damage_while_open_is_an_error),
        T(bad_places_are_refused),
        T(second_server_is_refused),
        T(disk_fails_and_recovers),
        cmocka_unit_test_setup_teardown(disk_fills_and_recovers, make_folder, unmount_and_remove),
        T(log_stays_short),
        T(answered_is_saved_after_kill),
    };
    if (argc > 2)
        snprintf(path, sizeof(path), "%s", argv[2]);
    if (argc == 4 && strcmp(argv[1], "append") == 0)
        return append_without_end(argv[3]);
    if (argc == 3 && strcmp(argv[1], "write") == 0)
        return write_for_adk();
    if (argc == 6 && strcmp(argv[1], "read") == 0)
        return print_session((struct store_key){argv[3], argv[4], argv[5]});
    return cmocka_run_group_tests(tests, NULL, NULL);
}
