/* What plugins keep: put, get, list, search in any script, bounds; and notices that wait for their session. */
#include "store_fixture.h"

#include "store/store_data.h"
#include "store/store_wait.h"

struct found {
    sem_t ready;
    enum antiphon_status status;
    struct store_rows *rows;
};

static void on_found(void *ctx, enum antiphon_status status, struct store_rows *rows)
{
    struct found *found = ctx;

    found->status = status;
    found->rows = rows;
    sem_post(&found->ready);
}

/* The keys that were found, in order, "a b c". */
static const char *find(struct store *store, struct store_query ask)
{
    static char keys[4096];
    struct found found = {0};

    if (!ask.plugin)
        ask.plugin = "notes";
    if (!ask.user)
        ask.user = "ann";
    if (!ask.limit)
        ask.limit = 100;
    sem_init(&found.ready, 0, 0);
    assert_int_equal(store_find(store, &ask, on_found, &found), ANTIPHON_OK);
    wait_for(&found.ready);
    sem_destroy(&found.ready);
    assert_int_equal(found.status, ANTIPHON_OK);
    keys[0] = '\0';
    for (size_t i = 0; i < found.rows->n; i++) {
        assert_int_equal(found.rows->row[i].len, strlen(found.rows->row[i].value));
        assert_null(found.rows->row[i].id);
        snprintf(keys + strlen(keys), sizeof(keys) - strlen(keys), "%s%s", i ? " " : "", found.rows->row[i].key);
    }
    store_rows_free(found.rows);
    return keys;
}

static enum antiphon_status put_of(struct store *store, const char *plugin, const char *user, const char *key,
                                   const char *value, double time)
{
    struct store_record record = {.kind = STORE_DATA,
                                  .key = {plugin, user, key},
                                  .timestamp = time,
                                  .json = value,
                                  .json_len = value ? strlen(value) : 0};

    return append(store, &record, 1);
}

static void put(struct store *store, const char *key, const char *value)
{
    static double time = 1000;

    assert_int_equal(put_of(store, "notes", "ann", key, value, time++), ANTIPHON_OK);
}

static void rows_are_kept(void **state)
{
    struct store *store = open_store();

    (void)state;
    put(store, "b", "second");
    put(store, "a", "first");
    put(store, "b", "second, changed");
    assert_int_equal(put_of(store, "notes", "", "a", "everybody's", 1), ANTIPHON_OK);
    assert_int_equal(put_of(store, "clock", "ann", "a", "another plugin's", 1), ANTIPHON_OK);
    assert_string_equal(find(store, (struct store_query){.limit = 0}), "a b");
    assert_string_equal(find(store, (struct store_query){.key = "b"}), "b");
    assert_string_equal(find(store, (struct store_query){.key = "c"}), "");
    assert_string_equal(find(store, (struct store_query){.user = ""}), "a");
    assert_string_equal(find(store, (struct store_query){.user = "bob"}), "");
    assert_string_equal(query("SELECT value || update_time FROM antiphon_plugin_data WHERE key = 'b'"),
                        "second, changed1002.0");
    put(store, "a", NULL);
    put(store, "a", NULL);
    put(store, "z", NULL);
    assert_string_equal(find(store, (struct store_query){.limit = 0}), "b");
    store_close(store);

    store = open_store();
    assert_string_equal(find(store, (struct store_query){.limit = 0}), "b");
    store_close(store);
    assert_string_equal(query("PRAGMA integrity_check"), "ok");
}

static void keys_by_prefix(void **state)
{
    struct store *store = open_store();

    (void)state;
    put(store, "note:2", "x");
    put(store, "note:1", "x");
    put(store, "note", "x");
    put(store, "noté:3", "x");
    put(store, "Note:4", "x");
    put(store, "n%te:5", "x");
    assert_string_equal(find(store, (struct store_query){.prefix = "note:"}), "note:1 note:2");
    assert_string_equal(find(store, (struct store_query){.prefix = "note:", .limit = 1}), "note:1");
    assert_string_equal(find(store, (struct store_query){.prefix = "noté"}), "noté:3");
    assert_string_equal(find(store, (struct store_query){.prefix = "n%"}), "n%te:5");
    assert_string_equal(find(store, (struct store_query){.prefix = ""}), "Note:4 n%te:5 note note:1 note:2 noté:3");
    store_close(store);
}

static void texts_are_found(void **state)
{
    struct store *store = open_store();

    (void)state;
    put(store, "1", "The key of the garden house lies under the third stone");
    put(store, "2", "김치찌개 만드는 법: 돼지고기와 묵은지");
    put(store, "3", "내일 오후 세 시 회의, 장소는 서울역");
    put(store, "4", "100% of \"all\" stones_and\\keys");
    assert_int_equal(put_of(store, "notes", "bob", "5", "Bob's key and his stone", 1), ANTIPHON_OK);
    assert_string_equal(find(store, (struct store_query){.text = "GARDEN"}), "1");
    assert_string_equal(find(store, (struct store_query){.text = "arde"}), "1");
    assert_string_equal(find(store, (struct store_query){.text = "garden kitchen"}), "");
    assert_string_equal(find(store, (struct store_query){.text = " third\tkey "}), "1");
    assert_string_equal(find(store, (struct store_query){.text = "김치찌개"}), "2");
    assert_string_equal(find(store, (struct store_query){.text = "회의"}), "3"); /* too short for the index */
    assert_string_equal(find(store, (struct store_query){.text = "회의 서울역"}), "3");
    assert_string_equal(find(store, (struct store_query){.text = "회의 서울역 묵은지"}), "");
    assert_string_equal(find(store, (struct store_query){.text = "%"}), "4");
    assert_string_equal(find(store, (struct store_query){.text = "s_a"}), "4");
    assert_string_equal(find(store, (struct store_query){.text = "_"}), "4");
    assert_string_equal(find(store, (struct store_query){.text = "\"all\""}), "4");
    assert_string_equal(find(store, (struct store_query){.text = "\\k"}), "4");
    assert_string_equal(find(store, (struct store_query){.text = "NOT OR NEAR("}), "");
    assert_string_equal(find(store, (struct store_query){.text = "stone", .prefix = "4"}), "4");
    put(store, "1", "The house has been sold");
    assert_string_equal(find(store, (struct store_query){.text = "garden"}), "");
    assert_string_equal(find(store, (struct store_query){.text = "sold"}), "1");
    put(store, "1", NULL);
    assert_string_equal(find(store, (struct store_query){.text = "sold"}), "");
    store_close(store);
}

static void best_match_first(void **state)
{
    struct store *store = open_store();

    (void)state;
    put(store, "long", "apples and many other things that fill a long shopping list for the week");
    put(store, "short", "apples, apples");
    put(store, "new", "시장 가기");
    put(store, "newer", "시장에서 사과");
    assert_string_equal(find(store, (struct store_query){.text = "apples"}), "short long");
    assert_string_equal(find(store, (struct store_query){.text = "시장"}), "newer new");
    store_close(store);
}

static void rows_have_a_bound(void **state)
{
    struct store *store = open_store();
    struct store_record *records = calloc(STORE_MAX_DATA_ROWS, sizeof(*records));
    char (*keys)[16] = calloc(STORE_MAX_DATA_ROWS, sizeof(*keys));

    (void)state;
    assert_true(records && keys);
    for (int i = 0; i < STORE_MAX_DATA_ROWS; i++) {
        snprintf(keys[i], sizeof(keys[i]), "%05d", i);
        records[i] = (struct store_record){.kind = STORE_DATA,
                                           .key = {"notes", "ann", keys[i]},
                                           .timestamp = 1,
                                           .json = "x",
                                           .json_len = 1};
    }
    assert_int_equal(append(store, records, STORE_MAX_DATA_ROWS), ANTIPHON_OK);
    assert_int_equal(put_of(store, "notes", "ann", "more", "x", 1), ANTIPHON_EBUSY);
    put(store, "00000", "changed");
    assert_int_equal(put_of(store, "notes", "bob", "more", "x", 1), ANTIPHON_OK);
    put(store, "00001", NULL);
    put(store, "more", "x");
    store_close(store);
    free(records);
    free(keys);
}

static void answers_have_a_bound(void **state)
{
    struct store *store = open_store();
    struct found found = {0};
    const struct store_query all = {.plugin = "notes", .user = "ann", .limit = 1000};
    char *big = malloc(65537);

    (void)state;
    assert_non_null(big);
    memset(big, 'x', 65536);
    big[65536] = '\0';
    for (int i = 0; i < 140; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%03d", i);
        put(store, key, big);
    }
    sem_init(&found.ready, 0, 0);
    assert_int_equal(store_find(store, &all, on_found, &found), ANTIPHON_OK);
    wait_for(&found.ready);
    sem_destroy(&found.ready);
    assert_int_equal(found.rows->n, STORE_MAX_FIND_BYTES / 65536);
    store_rows_free(found.rows);
    store_close(store);
    free(big);
}

static struct store_record notice(const char *id, const char *text, double until)
{
    return (struct store_record){.kind = STORE_NOTICE,
                                 .key = KEY,
                                 .id = id,
                                 .model = "clock",
                                 .timestamp = until,
                                 .json = text,
                                 .json_len = strlen(text)};
}

static void notices_wait(void **state)
{
    struct store *store = open_store();
    struct store_record record = session_record(KEY, NULL), over = {.kind = STORE_NOTICE_OVER, .key = KEY, .id = "n1"};
    struct store_snapshot *snapshot;
    const double future = 4e9;

    (void)state;
    struct store_record first = notice("n1", "The eggs are done", future);
    assert_int_equal(append(store, &first, 1), ANTIPHON_ENOTFOUND); /* no such conversation */
    assert_int_equal(append(store, &record, 1), ANTIPHON_OK);
    assert_int_equal(append(store, &first, 1), ANTIPHON_OK);
    assert_int_equal(append(store, &first, 1), ANTIPHON_EEXISTS);
    struct store_record second = notice("n2", "차가 왔습니다", future), old = notice("n3", "long ago", 1000);
    assert_int_equal(append(store, &second, 1), ANTIPHON_OK);
    assert_int_equal(append(store, &old, 1), ANTIPHON_OK);
    snapshot = load(store, KEY, 10);
    assert_int_equal(snapshot->notices->n, 2);
    assert_string_equal(snapshot->notices->row[0].id, "n1");
    assert_string_equal(snapshot->notices->row[0].key, "clock");
    assert_string_equal(snapshot->notices->row[0].value, "The eggs are done");
    assert_string_equal(snapshot->notices->row[1].value, "차가 왔습니다");
    store_snapshot_free(snapshot);
    assert_int_equal(append(store, &over, 1), ANTIPHON_OK);
    assert_int_equal(append(store, &over, 1), ANTIPHON_OK);
    snapshot = load(store, KEY, 10);
    assert_int_equal(snapshot->notices->n, 1);
    store_snapshot_free(snapshot);
    for (int i = 0; i < STORE_MAX_NOTICES - 1; i++) {
        char id[16];
        snprintf(id, sizeof(id), "m%d", i);
        struct store_record more = notice(id, "more", future);
        assert_int_equal(append(store, &more, 1), ANTIPHON_OK);
    }
    struct store_record last = notice("last", "one too many", future);
    assert_int_equal(append(store, &last, 1), ANTIPHON_EBUSY);
    assert_string_equal(query("SELECT count(*) FROM antiphon_notices WHERE id = 'n3'"), "0");
    store_close(store);
}

static bool collect_row(void *ctx, const struct antiphon_row *row)
{
    char *list = ctx;

    assert_int_equal(row->struct_size, sizeof(*row));
    assert_int_equal(row->len, strlen(row->value));
    assert_true(row->updated_ms > 1700000000000);
    snprintf(list + strlen(list), 200 - strlen(list), "%s=%s;", row->key, row->value);
    return strcmp(row->key, "b") != 0;
}

static bool note_time(void *ctx, const struct antiphon_row *row)
{
    *(int64_t *)ctx = row->updated_ms;
    return true;
}

/* Whoever edits the file by hand may write anything. */
static void times_that_no_clock_tells(void **state)
{
    static const struct {
        const char *sql;
        int64_t ms;
    } cases[] = {{"1e300", 0}, {"-1e300", 0}, {"9e999", 0}, {"'x'", 0}, {"1700000000.5", 1700000000500}};
    struct antiphon_store_query ask = {.struct_size = sizeof(ask), .user_id = "ann", .limit = 10};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct store *store = open_store();
        char sql[200];
        int64_t ms = -1;
        assert_int_equal(store_wait_put(store, "notes", "ann", "a", "1", 1), ANTIPHON_OK);
        store_close(store);
        snprintf(sql, sizeof(sql), "UPDATE antiphon_plugin_data SET update_time = %s", cases[i].sql);
        (void)query(sql);
        store = open_store();
        assert_int_equal(store_wait_find(store, "notes", &ask, note_time, &ms), ANTIPHON_OK);
        assert_int_equal(ms, cases[i].ms);
        store_close(store);
    }
}

static void calls_wait_for_the_answer(void **state)
{
    struct store *store = open_store();
    struct antiphon_store_query ask = {.struct_size = sizeof(ask), .user_id = "ann", .limit = 10};
    char value[8] = "", list[200] = "";
    size_t len = 0;

    (void)state;
    assert_int_equal(store_wait_get(store, "notes", "ann", "a", value, sizeof(value), &len), ANTIPHON_ENOTFOUND);
    assert_int_equal(store_wait_put(store, "notes", "ann", "a", "1234567", 7), ANTIPHON_OK);
    assert_int_equal(store_wait_put(store, "notes", "ann", "b", "2", 1), ANTIPHON_OK);
    assert_int_equal(store_wait_put(store, "notes", "ann", "c", "", 0), ANTIPHON_OK);
    assert_int_equal(store_wait_get(store, "notes", "ann", "a", value, sizeof(value), &len), ANTIPHON_OK);
    assert_string_equal(value, "1234567");
    assert_int_equal(store_wait_get(store, "notes", "ann", "a", value, 7, &len), ANTIPHON_ETOOBIG);
    assert_int_equal(len, 7);
    assert_int_equal(store_wait_get(store, "notes", "ann", "c", value, sizeof(value), NULL), ANTIPHON_OK);
    assert_string_equal(value, "");
    assert_int_equal(store_wait_get(store, "notes", NULL, "a", value, sizeof(value), &len), ANTIPHON_ENOTFOUND);
    assert_int_equal(store_wait_find(store, "notes", &ask, collect_row, list), ANTIPHON_OK);
    assert_string_equal(list, "a=1234567;b=2;");
    assert_int_equal(store_wait_put(store, "notes", "ann", "a", NULL, 0), ANTIPHON_OK);
    assert_int_equal(store_wait_get(store, "notes", "ann", "a", value, sizeof(value), &len), ANTIPHON_ENOTFOUND);
    store_close(store);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        T(rows_are_kept),     T(keys_by_prefix),       T(texts_are_found), T(best_match_first),
        T(rows_have_a_bound), T(answers_have_a_bound), T(notices_wait),
        T(calls_wait_for_the_answer),
        T(times_that_no_clock_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
