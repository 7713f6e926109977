/* User ids: decimal integers in their normal form. */
#include "unit.h"

#include "auth/user_id.h"

static void integers(void **unused)
{
    static const char *const pairs[][2] = {
        {"0", "0"},     {"7", "7"},       {"007", "7"},   {"+7", "7"},     {"-7", "-7"},
        {"-007", "-7"}, {"-0", "0"},      {"+0", "0"},    {"000", "0"},    {"-000", "0"},
        {"100", "100"}, {"9007199254740991", "9007199254740991"}, {"18446744073709551616", "18446744073709551616"},
    };
    char out[USER_ID_MAX_DIGITS + 2];

    (void)unused;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        assert_int_equal(user_id_parse(pairs[i][0], strlen(pairs[i][0]), out), ANTIPHON_OK);
        assert_string_equal(out, pairs[i][1]);
    }
}

static void anything_else(void **unused)
{
    static const char *const bad[] = {"",    "+",   "-",    "--1",  "+-1", "1-",   "1.0", "1e3", "0x10", " 1",
                                      "1 ",  "1_0", "abc",  "1/",   "/1",  "\xd9\xa1", "1\n", "NaN", "inf",  "１"};
    char out[USER_ID_MAX_DIGITS + 2] = "before";

    (void)unused;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (user_id_parse(bad[i], strlen(bad[i]), out) != ANTIPHON_EINVAL)
            fail_msg("%s was taken", bad[i]);
        assert_string_equal(out, "before");
    }
    assert_int_equal(user_id_parse("1\0002", 3, out), ANTIPHON_EINVAL);
    /* only len bytes are looked at */
    assert_int_equal(user_id_parse("12x", 2, out), ANTIPHON_OK);
    assert_string_equal(out, "12");
}

static void longest(void **unused)
{
    char out[USER_ID_MAX_DIGITS + 2], text[USER_ID_MAX_DIGITS + 300];

    (void)unused;
    memset(text, '9', sizeof(text));
    text[0] = '-';
    assert_int_equal(user_id_parse(text, USER_ID_MAX_DIGITS + 1, out), ANTIPHON_OK);
    assert_int_equal(strlen(out), USER_ID_MAX_DIGITS + 1);
    assert_int_equal(user_id_parse(text, USER_ID_MAX_DIGITS + 2, out), ANTIPHON_EINVAL);
    /* zeros in front do not count */
    memset(text, '0', sizeof(text));
    text[sizeof(text) - 1] = '5';
    assert_int_equal(user_id_parse(text, sizeof(text), out), ANTIPHON_OK);
    assert_string_equal(out, "5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers),
        cmocka_unit_test(anything_else),
        cmocka_unit_test(longest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
