/* State as tools see it: shared, kept as text, with a delta for each call. */
#include "unit.h"

#include <pthread.h>
#include <stdio.h>

#include "session/tool_state.h"

static struct tool_state *make(const char *json)
{
    struct tool_state *made = NULL;

    assert_int_equal(tool_state_new(&made), ANTIPHON_OK);
    if (json)
        assert_int_equal(tool_state_load(made, json, strlen(json)), ANTIPHON_OK);
    return made;
}

static const char *get(struct tool_state *state, const char *key)
{
    static char text[256];
    size_t len = 0;

    if (tool_state_get(state, key, text, sizeof(text), &len))
        return NULL;
    assert_int_equal(len, strlen(text));
    return text;
}

static void set(struct tool_state *state, const char *key, const char *json, struct buf *delta)
{
    assert_int_equal(tool_state_set(state, key, json, strlen(json), delta), ANTIPHON_OK);
}

static const char *all(struct tool_state *state)
{
    static char text[1024];
    struct buf out;

    buf_init(&out, sizeof(text) - 1);
    assert_int_equal(tool_state_print(state, &out), ANTIPHON_OK);
    memcpy(text, buf_text(&out), out.len + 1);
    buf_deinit(&out);
    return text;
}

static void test_get_and_set(void **state)
{
    struct tool_state *shared = make("{\"n\":9007199254740993,\"user:name\":\"Kim\",\"k\\u0065y\":1}");
    struct buf one, two;
    char small[4];
    size_t len = 0;

    (void)state;
    buf_init(&one, TOOL_STATE_MAX_BYTES);
    buf_init(&two, TOOL_STATE_MAX_BYTES);
    assert_string_equal(get(shared, "n"), "9007199254740993");
    assert_string_equal(get(shared, "user:name"), "\"Kim\"");
    assert_string_equal(get(shared, "key"), "1");
    assert_null(get(shared, "ke"));
    assert_null(get(shared, ""));
    assert_int_equal(tool_state_get(shared, "user:name", small, sizeof(small), &len), ANTIPHON_ETOOBIG);
    assert_int_equal(len, 5);
    set(shared, "a", "[1,2]", &one);
    set(shared, "temp:b", "true", &one);
    set(shared, "a", "{\"x\":null}", &two);
    assert_string_equal(get(shared, "a"), "{\"x\":null}");
    char *delta = tool_state_take(shared, &one);
    assert_string_equal(delta, "{\"temp:b\":true,\"a\":[1,2]}");
    free(delta);
    assert_null(tool_state_take(shared, &one));
    delta = tool_state_take(shared, &two);
    assert_string_equal(delta, "{\"a\":{\"x\":null}}");
    free(delta);
    tool_state_end_turn(shared);
    assert_null(get(shared, "temp:b"));
    assert_string_equal(all(shared), "{\"a\":{\"x\":null},\"n\":9007199254740993,\"user:name\":\"Kim\",\"k\\u0065y\":1}");
    tool_state_unref(shared);
}

static void test_loaded_later(void **state)
{
    struct tool_state *shared = make(NULL);
    struct buf delta;

    (void)state;
    buf_init(&delta, TOOL_STATE_MAX_BYTES);
    assert_string_equal(all(shared), "{}");
    set(shared, "a", "1", &delta);
    assert_int_equal(tool_state_load(shared, "{\"a\":0,\"b\":2}", 13), ANTIPHON_OK);
    assert_string_equal(get(shared, "a"), "1");
    assert_string_equal(get(shared, "b"), "2");
    assert_int_equal(tool_state_load(shared, "[]", 2), ANTIPHON_EINVAL);
    assert_string_equal(get(shared, "a"), "1");
    free(tool_state_take(shared, &delta));
    tool_state_unref(shared);
}

static void test_bound(void **state)
{
    struct tool_state *shared = make(NULL);
    char *big = malloc(TOOL_STATE_MAX_BYTES);
    struct buf delta;

    (void)state;
    assert_non_null(big);
    memset(big, '1', TOOL_STATE_MAX_BYTES);
    buf_init(&delta, TOOL_STATE_MAX_BYTES);
    assert_int_equal(tool_state_set(shared, "a", big, TOOL_STATE_MAX_BYTES - 8, &delta), ANTIPHON_OK);
    assert_int_equal(tool_state_set(shared, "b", "1", 1, &delta), ANTIPHON_ETOOBIG);
    assert_null(get(shared, "b"));
    free(tool_state_take(shared, &delta));
    tool_state_unref(shared);
    free(big);
}

struct worker {
    struct tool_state *state;
    int number;
    char *delta;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct buf delta;
    char key[16], value[16];

    buf_init(&delta, TOOL_STATE_MAX_BYTES);
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof(key), "w%d.%d", worker->number, i % 5);
        snprintf(value, sizeof(value), "%d", i);
        if (tool_state_set(worker->state, key, value, strlen(value), &delta))
            break;
    }
    worker->delta = tool_state_take(worker->state, &delta);
    tool_state_unref(worker->state);
    return NULL;
}

static void test_many_threads(void **state)
{
    struct tool_state *shared = make(NULL);
    struct worker workers[4];
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){tool_state_ref(shared), i, NULL};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_non_null(strstr(workers[i].delta, ":49"));
        free(workers[i].delta);
    }
    assert_string_equal(get(shared, "w3.4"), "49");
    assert_string_equal(get(shared, "w0.0"), "45");
    tool_state_unref(shared);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (unsigned n = 0;; n++) {
        struct tool_state *shared = make("{\"a\":1}");
        struct buf delta;
        buf_init(&delta, TOOL_STATE_MAX_BYTES);
        alloc_fail_at(n);
        enum antiphon_status status = tool_state_set(shared, "a", "2", 1, &delta);
        bool failed = alloc_has_failed();
        assert_int_equal(status, failed ? ANTIPHON_ENOMEM : ANTIPHON_OK);
        assert_string_equal(get(shared, "a"), failed ? "1" : "2");
        free(tool_state_take(shared, &delta));
        tool_state_unref(shared);
        if (!failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_and_set), cmocka_unit_test(test_loaded_later), cmocka_unit_test(test_bound),
        cmocka_unit_test(test_many_threads), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
