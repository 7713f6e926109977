#include "unit.h"

#include "base/buf.h"

static void test_appends_and_stays_terminated(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    assert_string_equal(buf_text(&buf), "");
    assert_int_equal(buf_append(&buf, "abc\0d", 5), ANTIPHON_OK);
    assert_int_equal(buf_puts(&buf, "ef"), ANTIPHON_OK);
    assert_int_equal(buf_printf(&buf, "-%d-%s", 7, "x"), ANTIPHON_OK);
    assert_int_equal(buf.len, 11);
    assert_memory_equal(buf.data,
                        "abc\0d"
                        "ef-7-x",
                        11);
    buf_deinit(&buf);
    assert_int_equal(buf.max, 1000);
}

static void test_printf_grows(void **state)
{
    struct buf buf;
    char text[301];

    (void)state;
    memset(text, 'y', 300);
    text[300] = '\0';
    buf_init(&buf, 300);
    assert_int_equal(buf_printf(&buf, "%s", text), ANTIPHON_OK);
    assert_string_equal(buf_text(&buf), text);
    assert_int_equal(buf_printf(&buf, "%s", ""), ANTIPHON_OK);
    assert_int_equal(buf_printf(&buf, "z"), ANTIPHON_ETOOBIG);
    assert_string_equal(buf_text(&buf), text);
    buf_deinit(&buf);
}

static void test_ceiling_is_exact_and_failure_sticks(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 4);
    assert_int_equal(buf_puts(&buf, "abcd"), ANTIPHON_OK);
    assert_int_equal(buf_puts(&buf, "e"), ANTIPHON_ETOOBIG);
    assert_int_equal(buf_puts(&buf, ""), ANTIPHON_ETOOBIG);
    assert_int_equal(buf_status(&buf), ANTIPHON_ETOOBIG);
    assert_string_equal(buf_text(&buf), "abcd");
    assert_null(buf_take(&buf));
    buf_reset(&buf);
    assert_int_equal(buf_status(&buf), ANTIPHON_OK);
    assert_string_equal(buf_text(&buf), "");
    assert_int_equal(buf_reserve(&buf, SIZE_MAX), ANTIPHON_ETOOBIG);
    buf_deinit(&buf);
    buf_init(&buf, 0);
    assert_int_equal(buf_append(&buf, "", 0), ANTIPHON_OK);
    assert_int_equal(buf_append(&buf, "a", 1), ANTIPHON_ETOOBIG);
    buf_deinit(&buf);
}

static void test_take_moves_out(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 10);
    assert_null(buf_take(&buf));
    assert_int_equal(buf_puts(&buf, "abc"), ANTIPHON_OK);
    char *text = buf_take(&buf);
    assert_string_equal(text, "abc");
    assert_int_equal(buf.len, 0);
    assert_int_equal(buf_puts(&buf, ""), ANTIPHON_OK);
    free(text);
    text = buf_take(&buf);
    assert_string_equal(text, "");
    free(text);
}

static void test_consume_and_truncate(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 10);
    buf_consume(&buf, 3);
    buf_truncate(&buf, 0);
    assert_int_equal(buf_puts(&buf, "abcdef"), ANTIPHON_OK);
    buf_consume(&buf, 2);
    assert_string_equal(buf_text(&buf), "cdef");
    buf_truncate(&buf, 9);
    buf_truncate(&buf, 3);
    assert_string_equal(buf_text(&buf), "cde");
    buf_consume(&buf, 99);
    assert_string_equal(buf_text(&buf), "");
    buf_deinit(&buf);
}

static void assert_json_string(const char *text, size_t len, const char *want)
{
    struct buf buf;

    buf_init(&buf, 1000);
    assert_int_equal(buf_json_string(&buf, text, len), ANTIPHON_OK);
    assert_string_equal(buf_text(&buf), want);
    buf_deinit(&buf);
}

static void test_json_string(void **state)
{
    (void)state;
    assert_json_string("", 0, "\"\"");
    assert_json_string("plain text, longer than a word", 30, "\"plain text, longer than a word\"");
    assert_json_string("\"\\/\b\f\n\r\t\x01\x1f\x7f", 11,
                       "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
    assert_json_string("a\0b", 3, "\"a\\u0000b\"");
    assert_json_string("1234567\"89", 10, "\"1234567\\\"89\"");
    assert_json_string("\xED\x95\x9C\xEA\xB5\xAD \xF0\x9F\x98\x80", 11,
                       "\"\xED\x95\x9C\xEA\xB5\xAD \xF0\x9F\x98\x80\"");
    assert_json_string("a\xFFz\xC0\x80", 5, "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD\"");
    assert_json_string("\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    assert_json_string("ab\xE2\x82", 4, "\"ab\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

/* Each byte at each place of a word. */
static void test_json_plain_stops_where_it_must(void **state)
{
    char text[19];

    (void)state;
    for (unsigned place = 0; place < sizeof(text); place++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            memset(text, 'a', sizeof(text));
            text[place] = (char)byte;
            bool plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
            assert_int_equal(buf_json_plain(text, sizeof(text)), plain ? sizeof(text) : place);
        }
    }
}

static void test_json_string_is_all_or_nothing(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 8);
    assert_int_equal(buf_puts(&buf, "ab"), ANTIPHON_OK);
    assert_int_equal(buf_json_string(&buf, "12345", 5), ANTIPHON_ETOOBIG);
    assert_string_equal(buf_text(&buf), "ab");
    buf_deinit(&buf);
}

static void test_without_memory(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    alloc_fail_at(0);
    assert_int_equal(buf_printf(&buf, "%d", 1), ANTIPHON_ENOMEM);
    assert_true(alloc_has_failed());
    assert_string_equal(buf_text(&buf), "");
    assert_int_equal(buf_puts(&buf, "a"), ANTIPHON_ENOMEM);
    buf_reset(&buf);
    assert_int_equal(buf_puts(&buf, "a"), ANTIPHON_OK);
    alloc_fail_at(0);
    assert_int_equal(buf_printf(&buf, "%500d", 1), ANTIPHON_ENOMEM);
    assert_true(alloc_has_failed());
    assert_string_equal(buf_text(&buf), "a");
    buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends_and_stays_terminated),
        cmocka_unit_test(test_printf_grows),
        cmocka_unit_test(test_ceiling_is_exact_and_failure_sticks),
        cmocka_unit_test(test_take_moves_out),
        cmocka_unit_test(test_consume_and_truncate),
        cmocka_unit_test(test_json_string),
        cmocka_unit_test(test_json_plain_stops_where_it_must),
        cmocka_unit_test(test_json_string_is_all_or_nothing),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
