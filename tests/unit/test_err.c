#include "unit.h"

#include "base/err.h"
#include "base/utf8.h"

static void test_set_and_prefix(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(err_set(&err, ANTIPHON_EINVAL, "line %d", 3), ANTIPHON_EINVAL);
    assert_int_equal(err.status, ANTIPHON_EINVAL);
    assert_string_equal(err.text, "line 3");
    err_prefix(&err, "file %s", "x");
    assert_string_equal(err.text, "file x: line 3");
    err_set(&err, ANTIPHON_EBUSY, "again: %s", err.text);
    assert_string_equal(err.text, "again: file x: line 3");
    assert_int_equal(err_set(NULL, ANTIPHON_EDENIED, "nobody reads"), ANTIPHON_EDENIED);
    err_prefix(NULL, "nobody");
}

static void test_cut_on_a_character(void **state)
{
    char text[2 * ERR_MAX_TEXT];
    struct err err = {0};

    (void)state;
    for (unsigned shift = 0; shift < 4; shift++) {
        memset(text, 'a', shift);
        for (size_t i = shift; i + 4 < sizeof(text); i += 4)
            memcpy(text + i, "\xF0\x9F\x98\x80", 5);
        err_set(&err, ANTIPHON_EINVAL, "%s", text);
        assert_true(utf8_valid(err.text, strlen(err.text)));
        assert_true(strlen(err.text) >= ERR_MAX_TEXT - 4);
        err_prefix(&err, "%s", text);
        assert_true(utf8_valid(err.text, strlen(err.text)));
        assert_true(strlen(err.text) >= ERR_MAX_TEXT - 4);
    }
}

static void test_names(void **state)
{
    (void)state;
    for (int status = 0; status >= ANTIPHON_EEXISTS; status--)
        assert_string_not_equal(status_name((enum antiphon_status)status), "unknown error");
    assert_string_equal(status_name((enum antiphon_status) - 99), "unknown error");
    assert_string_equal(status_name(ANTIPHON_ETOOBIG), "too big");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_and_prefix),
        cmocka_unit_test(test_cut_on_a_character),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
