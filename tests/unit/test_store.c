#include "store_fixture.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "base/metrics.h"

static void new_session_and_its_events(void **state)
{
    struct store *store = open_store();
    struct store_snapshot *snapshot = load(store, KEY, 10);
    (void)state;
    assert_false(snapshot->exists);
    assert_string_equal(snapshot->state, "{}");
    assert_int_equal(snapshot->events_n, 0);
    assert_null(snapshot->handle);
    store_snapshot_free(snapshot);

    struct store_record records[] = {
        session_record(KEY, NULL),
        event_record(KEY, "1", 1000.5, "{\"id\":\"1\",\"ko\":\"안녕\"}", NULL),
        event_record(KEY, "2", 1001.25, "{\"id\":\"2\",\"n\":9007199254740993}", NULL),
    };
    assert_int_equal(append(store, records, 3), ANTIPHON_OK);
    /* A session that is there already stays as it is. */
    records[0].json = "{\"x\":1,\"app:y\":2}";
    records[0].json_len = strlen(records[0].json);
    assert_int_equal(append(store, records, 1), ANTIPHON_OK);
    snapshot = load(store, KEY, 10);
    assert_true(snapshot->exists);
    assert_string_equal(snapshot->state, "{}");
    assert_int_equal(snapshot->events_n, 2);
    assert_string_equal(snapshot->events[0].text, records[1].json);
    assert_string_equal(snapshot->events[1].text, records[2].json);
    assert_int_equal(snapshot->events[1].len, records[2].json_len);
    store_snapshot_free(snapshot);
    assert_string_equal(query("SELECT create_time || ' ' || update_time FROM sessions"),
                        "1000.0 1001.25");
    assert_string_equal(query("SELECT id || invocation_id || timestamp FROM events"), "1e-11000.5");
    assert_string_equal(query("SELECT count(*) FROM app_states"), "0");
    store_close(store);

    store = open_store();
    snapshot = load(store, KEY, 10);
    assert_int_equal(snapshot->events_n, 2);
    store_snapshot_free(snapshot);
    store_close(store);
    assert_string_equal(query("PRAGMA integrity_check"), "ok");
}

static void database_is_private(void **state)
{
    struct stat st;
    struct store *store = open_store();
    (void)state;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    store_close(store);
}

static void state_is_merged(void **state)
{
    struct store *store = open_store();
    struct store_record records[] = {
        session_record(KEY, "{\"a\":1,\"b\":{\"x\":1},\"app:color\":\"red\",\"temp:t\":1}"),
        event_record(KEY, "1", 2000, "{}",
                     "{\"big\":9007199254740993,\"huge\":12345678901234567890,\"e\":1e300,"
                     "\"키\":\"값\",\"a\":null,\"user:name\":\"Kim\",\"temp:t\":2}"),
        event_record(KEY, "2", 2001, "{}",
                     "{\"b\":{\"y\":2},\"app:color\":\"blue\",\"app:n\":1.0}"),
    };
    (void)state;
    assert_int_equal(append(store, records, 3), ANTIPHON_OK);
    assert_string_equal(query("SELECT state FROM sessions"),
                        "{\"b\":{\"y\":2},\"big\":9007199254740993,\"huge\":12345678901234567890,"
                        "\"e\":1e300,\"키\":\"값\",\"a\":null}");
    assert_string_equal(query("SELECT state || update_time FROM app_states"),
                        "{\"color\":\"blue\",\"n\":1.0}2001.0");
    assert_string_equal(query("SELECT state || update_time FROM user_states"),
                        "{\"name\":\"Kim\"}2000.0");
    struct store_snapshot *snapshot = load(store, KEY, 0);
    assert_int_equal(snapshot->events_n, 0);
    assert_string_equal(snapshot->state,
                        "{\"b\":{\"y\":2},\"big\":9007199254740993,\"huge\":12345678901234567890,"
                        "\"e\":1e300,\"키\":\"값\",\"a\":null,\"app:color\":\"blue\",\"app:n\":1.0,"
                        "\"user:name\":\"Kim\"}");
    store_snapshot_free(snapshot);
    /* Shared with another session of the same user, and partly with one of another. */
    snapshot = load(store, (struct store_key){"app", "user", "new"}, 1);
    assert_false(snapshot->exists);
    assert_string_equal(snapshot->state,
                        "{\"app:color\":\"blue\",\"app:n\":1.0,\"user:name\":\"Kim\"}");
    store_snapshot_free(snapshot);
    snapshot = load(store, (struct store_key){"app", "other", "new"}, 1);
    assert_string_equal(snapshot->state, "{\"app:color\":\"blue\",\"app:n\":1.0}");
    store_snapshot_free(snapshot);
    store_close(store);
}

static void newest_events_in_order(void **state)
{
    struct store *store = open_store();
    struct store_record records[7] = {session_record(KEY, NULL)};
    /* Equal times keep their order; one arrives late with an earlier time, as recorded speech does.
     */
    static const struct {
        const char *id, *json;
        double time;
    } events[6] = {{"f", "{\"n\":2}", 10}, {"e", "{\"n\":3}", 10}, {"d", "{\"n\":4}", 10},
                   {"c", "{\"n\":1}", 5},  {"b", "{\"n\":6}", 12}, {"a", "{\"n\":5}", 11}};
    (void)state;
    for (size_t i = 0; i < 6; i++)
        records[i + 1] = event_record(KEY, events[i].id, events[i].time, events[i].json, NULL);
    assert_int_equal(append(store, records, 7), ANTIPHON_OK);
    for (size_t max = 0; max < 8; max++) {
        struct store_snapshot *snapshot = load(store, KEY, max);
        size_t n = max < 6 ? max : 6;
        assert_int_equal(snapshot->events_n, n);
        for (size_t i = 0; i < n; i++) {
            char expected[16];
            snprintf(expected, sizeof(expected), "{\"n\":%zu}", 6 - n + i + 1);
            assert_string_equal(snapshot->events[i].text, expected);
        }
        store_snapshot_free(snapshot);
    }
    struct store_snapshot *all = load(store, KEY, SIZE_MAX);
    assert_int_equal(all->events_n, 6);
    store_snapshot_free(all);
    store_close(store);
}

static void handle_is_kept(void **state)
{
    struct store *store = open_store();
    struct store_record record = {.kind = STORE_HANDLE,
                                  .key = KEY,
                                  .timestamp = 50,
                                  .json = "h1",
                                  .json_len = 2,
                                  .model = "m"};
    struct store_record session = session_record(KEY, NULL);
    (void)state;
    assert_int_equal(append(store, &record, 1), ANTIPHON_ENOTFOUND);
    assert_int_equal(append(store, &session, 1), ANTIPHON_OK);
    assert_int_equal(append(store, &record, 1), ANTIPHON_OK);
    record.json = "h2+";
    record.json_len = 3;
    record.timestamp = 60;
    assert_int_equal(append(store, &record, 1), ANTIPHON_OK);
    struct store_snapshot *snapshot = load(store, KEY, 0);
    assert_string_equal(snapshot->handle, "h2+");
    assert_string_equal(snapshot->handle_model, "m");
    assert_true(snapshot->handle_time > 59 && snapshot->handle_time < 61);
    store_snapshot_free(snapshot);
    assert_string_equal(query("SELECT count(*) FROM antiphon_handles"), "1");
    record.json = NULL;
    record.json_len = 0;
    assert_int_equal(append(store, &record, 1), ANTIPHON_OK);
    snapshot = load(store, KEY, 0);
    assert_null(snapshot->handle);
    store_snapshot_free(snapshot);
    /* It goes with its session, whoever deletes that. */
    record.json = "h3";
    record.json_len = 2;
    assert_int_equal(append(store, &record, 1), ANTIPHON_OK);
    store_close(store);
    query("SELECT 1");
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA foreign_keys = ON; DELETE FROM sessions", 0, 0, 0),
                     0);
    sqlite3_close(db);
    assert_string_equal(query("SELECT count(*) FROM antiphon_handles"), "0");
}

/* ---- tool calls ----------------------------------------------------------------------------- */

static struct store_record call_record(const char *id, const char *call_state, double at)
{
    return (struct store_record){.kind = STORE_TOOL_CALL,
                                 .key = KEY,
                                 .id = id,
                                 .invocation_id = "e-1",
                                 .timestamp = at,
                                 .call = {.state = call_state,
                                          .call_id = "fc-1",
                                          .agent = "a",
                                          .tool = "book",
                                          .args = "{\"n\":9007199254740993}"}};
}

static struct store_record call_change(const char *id, const char *call_state, double at, const char *json)
{
    return (struct store_record){.kind = STORE_TOOL_CALL,
                                 .key = KEY,
                                 .id = id,
                                 .timestamp = at,
                                 .json = json,
                                 .json_len = json ? strlen(json) : 0,
                                 .call = {.state = call_state}};
}

#define CALL_ROW(id)                                                                                       \
    query("SELECT state || ' ' || coalesce(result, '-') || ' ' || coalesce(receipt, '-') || ' ' ||"        \
          " coalesce(reason, '-') || ' ' || requested_time || ' ' || coalesce(started_time, '-') || ' ' ||" \
          " coalesce(ended_time, '-') FROM antiphon_tool_calls WHERE id = '" id "'")

static void tool_calls_have_a_row_each(void **state)
{
    struct store *store = open_store();
    struct store_record session = session_record(KEY, NULL), call = call_record("c1", "requested", 5);
    (void)state;
    assert_int_equal(append(store, &call, 1), ANTIPHON_ENOTFOUND);
    assert_int_equal(append(store, &session, 1), ANTIPHON_OK);
    assert_int_equal(append(store, &call, 1), ANTIPHON_OK);
    assert_int_equal(append(store, &call, 1), ANTIPHON_EEXISTS);
    assert_string_equal(CALL_ROW("c1"), "requested - - - 5.0 - -");
    call = call_change("c1", "running", 6, NULL);
    assert_int_equal(append(store, &call, 1), ANTIPHON_OK);
    assert_string_equal(CALL_ROW("c1"), "running - - - 5.0 6.0 -");
    call = call_change("c1", NULL, 7, NULL);
    call.call.receipt = "{\"r\":1}";
    assert_int_equal(append(store, &call, 1), ANTIPHON_OK);
    assert_string_equal(CALL_ROW("c1"), "running - {\"r\":1} - 5.0 6.0 -");
    call = call_change("c1", "done", 8, "{\"ok\":1}");
    assert_int_equal(append(store, &call, 1), ANTIPHON_OK);
    assert_string_equal(CALL_ROW("c1"), "done {\"ok\":1} {\"r\":1} - 5.0 6.0 8.0");
    call = call_change("c1", "undone", 9, NULL);
    call.call.reason = "taken back";
    assert_int_equal(append(store, &call, 1), ANTIPHON_OK);
    /* What comes late changes nothing. */
    call = call_change("c1", "cancelled", 10, NULL);
    assert_int_equal(append(store, &call, 1), ANTIPHON_OK);
    assert_string_equal(CALL_ROW("c1"), "undone {\"ok\":1} {\"r\":1} taken back 5.0 6.0 9.0");
    /* One that has no row is no fault: its session may be gone. */
    call = call_change("nobody", "done", 9, "{}");
    assert_int_equal(append(store, &call, 1), ANTIPHON_OK);
    call = call_record("c2", "requested", 5);
    call.call.tool = NULL;
    assert_int_equal(store_append(store, &call, 1, NULL, NULL), ANTIPHON_EINVAL);
    call = call_record("c3", "lost", 5);
    assert_int_equal(append(store, &call, 1), ANTIPHON_OK);
    assert_string_equal(query("SELECT count(*) FROM antiphon_tool_calls"), "1");
    store_close(store);
}

static void calls_that_a_kill_cut_short(void **state)
{
    struct store *store = open_store();
    struct store_record records[] = {session_record(KEY, NULL), call_record("c1", "requested", 5),
                                     call_record("c2", "requested", 6), call_change("c2", "running", 7, NULL),
                                     call_record("c3", "requested", 8), call_change("c3", "done", 9, "{\"x\":1}")};
    (void)state;
    assert_int_equal(append(store, records, 6), ANTIPHON_OK);
    store_close(store); /* as a kill would leave it: nobody ended them */
    store = open_store();
    struct store_snapshot *snapshot = load(store, KEY, 0);
    assert_int_equal(snapshot->calls_n, 3);
    assert_string_equal(snapshot->calls[0].state, "failed");
    assert_string_equal(snapshot->calls[0].reason, "interrupted");
    assert_string_equal(snapshot->calls[0].args, "{\"n\":9007199254740993}");
    assert_null(snapshot->calls[0].result);
    assert_false(snapshot->calls[0].ran);
    assert_string_equal(snapshot->calls[1].id, "c2");
    assert_string_equal(snapshot->calls[1].reason, "interrupted");
    assert_true(snapshot->calls[1].ran);
    assert_string_equal(snapshot->calls[2].state, "done");
    assert_string_equal(snapshot->calls[2].result, "{\"x\":1}");
    assert_null(snapshot->calls[2].reason);
    store_snapshot_free(snapshot);
    assert_string_equal(query("SELECT count(*) FROM antiphon_tool_calls WHERE ended_time > 1.6e9"), "2");
    store_close(store);
}

static void a_snapshot_has_the_newest_calls(void **state)
{
    struct store *store = open_store();
    struct store_record session = session_record(KEY, NULL);
    char id[16], *big = malloc(1u << 20);
    (void)state;
    assert_int_equal(append(store, &session, 1), ANTIPHON_OK);
    for (int i = 0; i < STORE_MAX_CALLS + 10; i++) {
        snprintf(id, sizeof(id), "c%d", i);
        struct store_record call = call_record(id, "requested", 5);
        assert_int_equal(append(store, &call, 1), ANTIPHON_OK);
    }
    struct store_snapshot *snapshot = load(store, KEY, 0);
    assert_int_equal(snapshot->calls_n, STORE_MAX_CALLS);
    assert_string_equal(snapshot->calls[0].id, "c10");
    store_snapshot_free(snapshot);
    memset(big, 'x', (1u << 20) - 1);
    big[(1u << 20) - 1] = '\0';
    for (int i = STORE_MAX_CALLS; i < STORE_MAX_CALLS + 10; i++) {
        snprintf(id, sizeof(id), "c%d", i);
        struct store_record call = call_change(id, "done", 6, big);
        assert_int_equal(append(store, &call, 1), ANTIPHON_OK);
    }
    snapshot = load(store, KEY, 0);
    assert_int_equal(snapshot->calls_n, 3);
    assert_string_equal(snapshot->calls[2].id, "c265");
    store_snapshot_free(snapshot);
    free(big);
    store_close(store);
}

/* ---- units -------------------------------------------------------------------------------- */

#define UNITS 500

static struct {
    struct store *store;
    sem_t blocked, go, done;
    enum antiphon_status statuses[UNITS];
    unsigned order[UNITS], n;
} group;

struct unit_ctx {
    unsigned i;
};
static struct unit_ctx units[UNITS];

/* Holds the store thread until the test has filled the queue behind it. */
static void on_blocker(void *ctx, enum antiphon_status status)
{
    (void)ctx;
    group.statuses[0] = status;
    sem_post(&group.blocked);
    wait_for(&group.go);
}

static void on_unit(void *ctx, enum antiphon_status status)
{
    const struct unit_ctx *unit = ctx;
    group.order[group.n++] = unit->i;
    group.statuses[unit->i] = status;
    sem_post(&group.done);
}

static void block_writer(void)
{
    struct store_record session = session_record(KEY, NULL);
    memset(&group, 0, sizeof(group));
    sem_init(&group.blocked, 0, 0);
    sem_init(&group.go, 0, 0);
    sem_init(&group.done, 0, 0);
    group.store = open_store();
    assert_int_equal(store_append(group.store, &session, 1, on_blocker, NULL), ANTIPHON_OK);
    wait_for(&group.blocked);
    assert_int_equal(group.statuses[0], ANTIPHON_OK);
}

static void append_event(unsigned i, const char *id)
{
    struct store_record record = event_record(KEY, id, i, "{}", NULL);
    units[i].i = i;
    assert_int_equal(store_append(group.store, &record, 1, on_unit, &units[i]), ANTIPHON_OK);
}

static void waiting_units_share_a_commit(void **state)
{
    (void)state;
    block_writer();
    uint64_t commits = metrics_get(METRIC_store_commits);
    for (unsigned i = 0; i < UNITS; i++) {
        char id[16];
        /* Every hundredth repeats the one before. */
        snprintf(id, sizeof(id), "%u", i % 100 == 99 ? i - 1 : i);
        append_event(i, id);
    }
    struct store_stats stats;
    store_stats(group.store, &stats);
    assert_int_equal(stats.waiting_records, UNITS);
    assert_true(stats.waiting_bytes > UNITS * sizeof(struct store_record));
    sem_post(&group.go);
    for (unsigned i = 0; i < UNITS; i++)
        wait_for(&group.done);
    assert_int_equal(metrics_get(METRIC_store_commits) - commits, 1);
    for (unsigned i = 0; i < UNITS; i++) {
        assert_int_equal(group.order[i], i);
        assert_int_equal(group.statuses[i], i % 100 == 99 ? ANTIPHON_EEXISTS : ANTIPHON_OK);
    }
    assert_string_equal(query("SELECT count(*) FROM events"), "495");
    store_stats(group.store, &stats);
    assert_int_equal(stats.waiting_records, 0);
    assert_int_equal(stats.waiting_bytes, 0);
    assert_false(stats.failing);
    store_close(group.store);
}

static void close_commits_and_answers_all(void **state)
{
    (void)state;
    block_writer();
    for (unsigned i = 0; i < UNITS; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%u", i);
        append_event(i, id);
    }
    sem_post(&group.go);
    store_close(group.store);
    assert_int_equal(group.n, UNITS);
    for (unsigned i = 0; i < UNITS; i++)
        assert_int_equal(group.statuses[i], ANTIPHON_OK);
    assert_string_equal(query("SELECT count(*) FROM events"), "500");
}

/* The store thread hangs in a callback for good, as it would in a dead disk. */
static void close_waits_four_seconds_at_most(void **state)
{
    struct timespec before, after;
    (void)state;
    block_writer();
    append_event(0, "0");
    append_event(1, "1");
    clock_gettime(CLOCK_MONOTONIC, &before);
    store_close(group.store);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_in_range(after.tv_sec - before.tv_sec, 3, 6);
    assert_int_equal(group.n, 2);
    assert_int_equal(group.statuses[0], ANTIPHON_ETIMEOUT);
    assert_int_equal(group.statuses[1], ANTIPHON_ETIMEOUT);
    sem_post(&group.go);
}

static void a_unit_is_all_or_nothing(void **state)
{
    struct store *store = open_store();
    struct store_key other = {"app", "user", "s2"};
    struct store_record good[] = {session_record(KEY, NULL), event_record(KEY, "1", 1, "{}", NULL)};
    struct store_record bad[] = {
        session_record(other, "{\"app:x\":1}"),
        event_record(KEY, "2", 2, "{}", "{\"a\":1,\"user:b\":2}"),
        event_record(KEY, "1", 3, "{}", NULL),
    };
    (void)state;
    assert_int_equal(append(store, good, 2), ANTIPHON_OK);
    assert_int_equal(append(store, bad, 3), ANTIPHON_EEXISTS);
    assert_string_equal(query("SELECT group_concat(id || state || update_time) FROM sessions"),
                        "s1{}1.0");
    assert_string_equal(query("SELECT count(*) FROM events"), "1");
    assert_string_equal(query("SELECT count(*) FROM app_states"), "0");
    assert_string_equal(query("SELECT count(*) FROM user_states"), "0");
    store_close(store);
}

static void faulty_units_are_refused(void **state)
{
    struct store *store = open_store();
    struct store_record session = session_record(KEY, NULL), record;
    struct store_stats stats;
    (void)state;
    record = event_record(KEY, "1", 1, "{}", NULL);
    assert_int_equal(append(store, &record, 1), ANTIPHON_ENOTFOUND);
    record = event_record(KEY, "1", 1, "{}", "{\"a\":1}");
    assert_int_equal(append(store, &record, 1), ANTIPHON_ENOTFOUND);
    assert_int_equal(append(store, &session, 1), ANTIPHON_OK);
    record = event_record(KEY, "1", 1, "{\"a\":", NULL);
    assert_int_equal(append(store, &record, 1), ANTIPHON_EINVAL);
    record = event_record(KEY, "1", 1, "{}", "[1]");
    assert_int_equal(append(store, &record, 1), ANTIPHON_EINVAL);
    session.key.session = "s2";
    session.json = "nonsense";
    session.json_len = 8;
    assert_int_equal(append(store, &session, 1), ANTIPHON_EINVAL);
    /* None of that is the database's fault. */
    store_stats(store, &stats);
    assert_false(stats.failing);
    /* And these are not even taken. */
    assert_int_equal(store_append(store, &record, 0, NULL, NULL), ANTIPHON_EINVAL);
    record = event_record(KEY, NULL, 1, "{}", NULL);
    assert_int_equal(store_append(store, &record, 1, NULL, NULL), ANTIPHON_EINVAL);
    record = event_record(KEY, "1", NAN, "{}", NULL);
    assert_int_equal(store_append(store, &record, 1, NULL, NULL), ANTIPHON_EINVAL);
    record = event_record((struct store_key){"app", NULL, "s"}, "1", 1, "{}", NULL);
    assert_int_equal(store_append(store, &record, 1, NULL, NULL), ANTIPHON_EINVAL);
    store_close(store);
}

static void queue_has_bounds(void **state)
{
    struct store_options options = {.path = path, .max_records = 3, .max_bytes = 8192};
    struct store *store;
    struct err err;
    static char big[9000];
    (void)state;
    memset(&group, 0, sizeof(group));
    sem_init(&group.blocked, 0, 0);
    sem_init(&group.go, 0, 0);
    assert_int_equal(store_open(&options, &store, &err), ANTIPHON_OK);
    struct store_record session = session_record(KEY, NULL);
    struct store_record four[] = {session, session, session, session};
    assert_int_equal(store_append(store, four, 4, NULL, NULL), ANTIPHON_ETOOBIG);
    assert_int_equal(store_append(store, &session, 1, on_blocker, NULL), ANTIPHON_OK);
    wait_for(&group.blocked);
    for (int i = 0; i < 3; i++)
        assert_int_equal(store_append(store, &session, 1, NULL, NULL), ANTIPHON_OK);
    assert_int_equal(store_append(store, &session, 1, NULL, NULL), ANTIPHON_EBUSY);
    sem_post(&group.go);
    /* In order: when this one is answered the others are, too. */
    struct answer answer;
    sem_init(&answer.ready, 0, 0);
    enum antiphon_status status;
    while ((status = store_append(store, &session, 1, on_done, &answer)) == ANTIPHON_EBUSY)
        sched_yield();
    assert_int_equal(status, ANTIPHON_OK);
    wait_for(&answer.ready);

    memset(big, ' ', sizeof(big) - 1);
    session.json = big;
    session.json_len = 8200;
    assert_int_equal(store_append(store, &session, 1, NULL, NULL), ANTIPHON_ETOOBIG);
    session.json = "{}";
    session.json_len = 2;
    assert_int_equal(store_append(store, &session, 1, on_blocker, NULL), ANTIPHON_OK);
    wait_for(&group.blocked);
    session.json = big;
    session.json_len = 7000;
    assert_int_equal(store_append(store, &session, 1, NULL, NULL), ANTIPHON_OK);
    assert_int_equal(store_append(store, &session, 1, NULL, NULL), ANTIPHON_EBUSY);
    sem_post(&group.go);
    store_close(store);
}

static void on_load_blocker(void *ctx, enum antiphon_status status, struct store_snapshot *snapshot)
{
    (void)ctx;
    (void)status;
    store_snapshot_free(snapshot);
    sem_post(&group.blocked);
    wait_for(&group.go);
}

static unsigned loads_cancelled; /* by one reader thread, read when it has ended */

static void on_load_cancelled(void *ctx, enum antiphon_status status,
                              struct store_snapshot *snapshot)
{
    (void)ctx;
    store_snapshot_free(snapshot);
    loads_cancelled += status == ANTIPHON_ECANCELLED;
}

static void *post_when_closing(void *arg)
{
    /* Appends are refused from the moment store_close() has begun. */
    struct store_record session = session_record(KEY, NULL);
    enum antiphon_status status;
    while ((status = store_append(arg, &session, 1, NULL, NULL)) != ANTIPHON_EUNAVAILABLE)
        sched_yield();
    sem_post(&group.go);
    return NULL;
}

static void loads_have_a_bound_and_are_answered(void **state)
{
    struct store_options options = {.path = path, .readers = 1};
    struct store *store;
    struct err err;
    pthread_t closer;
    (void)state;
    memset(&group, 0, sizeof(group));
    sem_init(&group.blocked, 0, 0);
    sem_init(&group.go, 0, 0);
    loads_cancelled = 0;
    assert_int_equal(store_open(&options, &store, &err), ANTIPHON_OK);
    assert_int_equal(store_load(store, &KEY, 1, on_load_blocker, NULL), ANTIPHON_OK);
    wait_for(&group.blocked);
    for (int i = 0; i < STORE_MAX_LOADS; i++)
        assert_int_equal(store_load(store, &KEY, 1, on_load_cancelled, NULL), ANTIPHON_OK);
    assert_int_equal(store_load(store, &KEY, 1, on_load_cancelled, NULL), ANTIPHON_EBUSY);
    assert_int_equal(pthread_create(&closer, NULL, post_when_closing, store), 0);
    store_close(store);
    pthread_join(closer, NULL);
    assert_int_equal(loads_cancelled, STORE_MAX_LOADS);
}

/* ---- many threads ------------------------------------------------------------------------- */

struct talker {
    struct store *store;
    pthread_t thread;
    char name[8];
    const char *fault; /* a literal */
};

static void *talk(void *arg)
{
    struct talker *self = arg;
    struct store_key key = {"app", "user", self->name};
    for (unsigned i = 0; i < 50; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%u", i);
        struct store_record records[] = {session_record(key, NULL),
                                         event_record(key, id, i, "{}", "{\"app:last\":1}")};
        if (append(self->store, records, 2) != ANTIPHON_OK)
            self->fault = "not saved";
        /* What was answered is seen by the next load. */
        struct store_snapshot *snapshot = load(self->store, key, 100);
        size_t n = snapshot->events_n;
        store_snapshot_free(snapshot);
        if (n != i + 1)
            self->fault = "not seen";
    }
    return NULL;
}

static void many_threads(void **state)
{
    struct talker talkers[8];
    struct store *store = open_store();
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        talkers[i] = (struct talker){.store = store};
        snprintf(talkers[i].name, sizeof(talkers[i].name), "t%u", i);
        assert_int_equal(pthread_create(&talkers[i].thread, NULL, talk, &talkers[i]), 0);
    }
    for (unsigned i = 0; i < 8; i++) {
        pthread_join(talkers[i].thread, NULL);
        if (talkers[i].fault)
            fail_msg("%s", talkers[i].fault);
    }
    store_close(store);
    assert_string_equal(query("SELECT count(*) FROM events"), "400");
}

static void no_memory_is_an_error(void **state)
{
    struct store_options options = {.path = path, .readers = 1};
    enum antiphon_status status;
    bool failed;
    (void)state;
    for (unsigned n = 0;; n++) {
        struct store *store = NULL;
        struct err err = {.text = ""};
        alloc_fail_at(n);
        status = store_open(&options, &store, &err);
        failed = alloc_has_failed();
        assert_int_equal(status, failed ? ANTIPHON_ENOMEM : ANTIPHON_OK);
        store_close(store);
        if (!failed)
            break;
        assert_string_not_equal(err.text, "");
    }
    struct store *store = open_store();
    struct store_record session = session_record(KEY, NULL);
    alloc_fail_at(0);
    assert_int_equal(store_append(store, &session, 1, NULL, NULL), ANTIPHON_ENOMEM);
    assert_true(alloc_has_failed());
    alloc_fail_at(0);
    assert_int_equal(store_load(store, &KEY, 1, on_loaded, NULL), ANTIPHON_ENOMEM);
    assert_true(alloc_has_failed());
    struct store_record records[] = {session,
                                     event_record(KEY, "1", 1, "{}", "{\"a\":1,\"app:b\":2}")};
    for (unsigned n = 0;; n++) {
        /* The first is for the unit itself, on this thread. */
        alloc_fail_at(n + 1);
        status = append(store, records, 2);
        if (!alloc_has_failed())
            break;
        assert_int_equal(status, ANTIPHON_ENOMEM);
    }
    assert_int_equal(status, ANTIPHON_OK);
    for (unsigned n = 0;; n++) {
        struct answer answer = {.snapshot = NULL};
        sem_init(&answer.ready, 0, 0);
        alloc_fail_at(n + 1);
        assert_int_equal(store_load(store, &KEY, 9, on_loaded, &answer), ANTIPHON_OK);
        wait_for(&answer.ready);
        failed = alloc_has_failed();
        assert_int_equal(answer.status, failed ? ANTIPHON_ENOMEM : ANTIPHON_OK);
        store_snapshot_free(answer.snapshot);
        if (!failed)
            break;
    }
    store_close(store);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        T(new_session_and_its_events),
        T(database_is_private),
        T(state_is_merged),
        T(newest_events_in_order),
        T(handle_is_kept),
        T(tool_calls_have_a_row_each),
        T(calls_that_a_kill_cut_short),
        T(a_snapshot_has_the_newest_calls),
        T(waiting_units_share_a_commit),
        T(close_commits_and_answers_all),
        T(a_unit_is_all_or_nothing),
        T(faulty_units_are_refused),
        T(queue_has_bounds),
        T(loads_have_a_bound_and_are_answered),
        T(many_threads),
        T(no_memory_is_an_error),
        T(close_waits_four_seconds_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
