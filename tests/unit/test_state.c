#include "unit.h"

#include "store/state.h"

static void check_merge(const char *state, const char *delta, const char *expected)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(state_merge(state, strlen(state), delta, strlen(delta), &out), ANTIPHON_OK);
    assert_string_equal(buf_text(&out), expected);
    buf_deinit(&out);
}

static void check_split(const char *delta, const char *app, const char *user, const char *session)
{
    struct state_parts parts;
    state_parts_init(&parts, 1 << 20);
    assert_int_equal(state_split(delta, strlen(delta), &parts), ANTIPHON_OK);
    assert_string_equal(buf_text(&parts.app), app);
    assert_string_equal(buf_text(&parts.user), user);
    assert_string_equal(buf_text(&parts.session), session);
    state_parts_deinit(&parts);
}

static void merge_keeps_values_as_text(void **state)
{
    (void)state;
    check_merge("{}", "{}", "{}");
    check_merge("{ \"a\" : 1 , \"b\":[1, 2.0,null] }", "{}", "{\"a\":1,\"b\":[1, 2.0,null]}");
    check_merge("{\"big\":9007199254740993,\"huge\":12345678901234567890123}",
                "{\"e\":1e300,\"sum\":0.30000000000000004,\"m\":-0.0}",
                "{\"e\":1e300,\"sum\":0.30000000000000004,\"m\":-0.0,\"big\":9007199254740993,"
                "\"huge\":12345678901234567890123}");
    check_merge("{\"nested\":{\"a\":\"\\u00e9\\ud83d\\ude00\"}}", "{\"키\":\"값\"}",
                "{\"키\":\"값\",\"nested\":{\"a\":\"\\u00e9\\ud83d\\ude00\"}}");
}

static void merge_is_an_update(void **state)
{
    (void)state;
    check_merge("{\"a\":1,\"b\":{\"x\":1}}", "{\"b\":{\"y\":2}}", "{\"b\":{\"y\":2},\"a\":1}");
    check_merge("{\"a\":1}", "{\"a\":null}", "{\"a\":null}");
    check_merge("{\"a\":1}", "{\"a\":2,\"a\":3}", "{\"a\":3}");
    check_merge("{\"\":1}", "{\"\":2}", "{\"\":2}");
    check_merge("{\"a\\\"b\":1,\"a\\\\\":1}", "{\"a\\u0022b\":2}", "{\"a\\u0022b\":2,\"a\\\\\":1}");
    check_merge("{\"\\ud83d\\ude00\":1}", "{\"😀\":2}", "{\"😀\":2}");
    check_merge("{\"\\ud83d\":1}", "{\"\\ud83d\\u0041\":2}",
                "{\"\\ud83d\\u0041\":2,\"\\ud83d\":1}");
    check_merge("{\"\\u0000\":1}", "{\"\\u0000\":2,\"\\/\":3}", "{\"\\u0000\":2,\"\\/\":3}");
}

static void merge_of_many_members(void **state)
{
    struct buf old, delta, out;
    (void)state;
    buf_init(&old, 1 << 22);
    buf_init(&delta, 1 << 22);
    buf_init(&out, 1 << 22);
    for (int i = 0; i < 20000; i++) {
        buf_printf(&old, "%s\"k%d\":%d", i ? "," : "{", i, i);
        buf_printf(&delta, "%s\"k%d\":0", i ? "," : "{", i * 2);
    }
    buf_puts(&old, "}");
    buf_puts(&delta, "}");
    assert_int_equal(state_merge(old.data, old.len, delta.data, delta.len, &out), ANTIPHON_OK);
    assert_null(strstr(out.data, "\"k18888\":18888"));
    assert_non_null(strstr(out.data, "\"k18888\":0"));
    assert_non_null(strstr(out.data, "\"k18889\":18889"));
    size_t members = 0;
    for (const char *at = out.data; (at = strchr(at, ':')) != NULL; at++)
        members++;
    assert_int_equal(members, 30000);
    buf_deinit(&old);
    buf_deinit(&delta);
    buf_deinit(&out);
}

static void split_by_prefix(void **state)
{
    (void)state;
    check_split("{}", "", "", "");
    check_split("{\"temp:x\":1}", "", "", "");
    check_split("{\"app:a\":1,\"user:b\":2,\"temp:c\":3,\"d\":4,\"application\":5}", "{\"a\":1}",
                "{\"b\":2}", "{\"d\":4,\"application\":5}");
    check_split("{\"app:\":1,\"user:user:x\":2,\"App:y\":3}", "{\"\":1}", "{\"user:x\":2}",
                "{\"App:y\":3}");
    check_split("{\"\\u0061pp:k\\u00e9\":1,\"te\\u006dp:x\":2}", "{\"k\\u00e9\":1}", "", "");
}

static void join_adds_prefixes(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 1 << 20);
    assert_int_equal(state_join("{\"a\":1}", "{\"b\":2}", "{\"c\": {\"x\": 1}}", &out),
                     ANTIPHON_OK);
    assert_string_equal(buf_text(&out), "{\"a\":1,\"app:b\":2,\"user:c\":{\"x\": 1}}");
    buf_reset(&out);
    assert_int_equal(state_join(NULL, NULL, NULL, &out), ANTIPHON_OK);
    assert_string_equal(buf_text(&out), "{}");
    buf_reset(&out);
    assert_int_equal(state_join("[]", NULL, NULL, &out), ANTIPHON_EINVAL);
    buf_deinit(&out);
}

static void temp_is_taken_out(void **state)
{
    struct buf out;
    static const char delta[] = "{\"temp:a\":1,\"app:b\":2,\"c\":3}";
    (void)state;
    buf_init(&out, 1 << 20);
    assert_int_equal(state_without_temp(delta, sizeof(delta) - 1, &out), ANTIPHON_OK);
    assert_string_equal(buf_text(&out), "{\"app:b\":2,\"c\":3}");
    buf_deinit(&out);
}

static bool is_object(const char *text)
{
    return state_is_object(text, strlen(text));
}

static void only_valid_objects(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "}",
        "[]",
        "1",
        "null",
        "\"a\"",
        "{}{}",
        "{},",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":1e}",
        "{\"a\":+1}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":tru}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"",
        "{\"a\":\"\\",
        "{\"a\":[1,]}",
        "{\"a\":[1}",
        "{\"a\":\"\xff\"}",
        "{\"a\":-}",
        "{\"a\" 1}",
        "{'a':1}",
    };
    static const char *const good[] = {
        "{}",
        " \t\r\n{ } ",
        "{\"a\":[]}",
        "{\"a\":[1,{\"b\":[{}]}],\"c\":-1.5E+10}",
        "{\"a\":true,\"b\":false,\"c\":null,\"d\":0,\"e\":-0,\"f\":\"\\u00e9\\\"\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (is_object(bad[i]))
            fail_msg("accepted: %s", bad[i]);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!is_object(good[i]))
            fail_msg("refused: %s", good[i]);
    assert_false(state_is_object("{\0}", 3));
}

static void nesting_has_a_bound(void **state)
{
    struct buf text;
    (void)state;
    for (int depth = STATE_MAX_DEPTH - 1; depth <= STATE_MAX_DEPTH; depth++) {
        buf_init(&text, 1 << 20);
        buf_puts(&text, "{\"a\":");
        for (int i = 0; i < depth; i++)
            buf_puts(&text, "[");
        for (int i = 0; i < depth; i++)
            buf_puts(&text, "]");
        buf_puts(&text, "}");
        assert_int_equal(is_object(text.data), depth < STATE_MAX_DEPTH);
        buf_deinit(&text);
    }
}

static void results_have_a_bound(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 10);
    assert_int_equal(state_merge("{\"a\":1}", 7, "{\"b\":1}", 7, &out), ANTIPHON_ETOOBIG);
    buf_deinit(&out);
}

static void no_memory_is_an_error(void **state)
{
    static const char old[] = "{\"a\":1}", delta[] = "{\"a\":2,\"app:b\":1,\"user:c\":1,\"d\":1}";
    enum antiphon_status status;
    struct state_parts parts;
    struct buf out;
    unsigned n;
    (void)state;
    for (n = 0;; n++) {
        buf_init(&out, 1 << 20);
        alloc_fail_at(n);
        status = state_merge(old, sizeof(old) - 1, delta, sizeof(delta) - 1, &out);
        bool failed = alloc_has_failed();
        buf_deinit(&out);
        assert_int_equal(status, failed ? ANTIPHON_ENOMEM : ANTIPHON_OK);
        if (!failed)
            break;
    }
    assert_true(n > 4);
    for (n = 0;; n++) {
        state_parts_init(&parts, 1 << 20);
        alloc_fail_at(n);
        status = state_split(delta, sizeof(delta) - 1, &parts);
        bool failed = alloc_has_failed();
        state_parts_deinit(&parts);
        assert_int_equal(status, failed ? ANTIPHON_ENOMEM : ANTIPHON_OK);
        if (!failed)
            break;
    }
    assert_true(n > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merge_keeps_values_as_text), cmocka_unit_test(merge_is_an_update),
        cmocka_unit_test(merge_of_many_members),      cmocka_unit_test(split_by_prefix),
        cmocka_unit_test(join_adds_prefixes),         cmocka_unit_test(temp_is_taken_out),
        cmocka_unit_test(only_valid_objects),         cmocka_unit_test(nesting_has_a_bound),
        cmocka_unit_test(results_have_a_bound),       cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
