#include "unit.h"

#include "base/utf8.h"

/* The definition, by value: decodes like a first-year student, to compare with. */
static size_t decode(const unsigned char *s, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80             ? 1
               : (s[0] & 0xE0) == 0xC0 ? 2
               : (s[0] & 0xF0) == 0xE0 ? 3
               : (s[0] & 0xF8) == 0xF0 ? 4
                                       : 0;
    if (n < 2 || n > len)
        return n == 1 ? 1 : 0;
    uint32_t code = s[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3F);
    }
    return code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) ? 0 : n;
}

static void test_next_agrees_with_the_definition(void **state)
{
    static const unsigned char tails[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90,
                                          0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
    const size_t n = sizeof(tails);
    unsigned char s[4];

    (void)state;
    for (unsigned lead = 0; lead < 256; lead++) {
        for (size_t i = 0; i < n * n * n; i++) {
            s[0] = (unsigned char)lead;
            s[1] = tails[i % n];
            s[2] = tails[i / n % n];
            s[3] = tails[i / n / n];
            for (size_t len = 1; len <= 4; len++)
                assert_int_equal(utf8_next((const char *)s, len), decode(s, len));
        }
    }
    assert_int_equal(utf8_next("", 0), 0);
}

static void test_valid_len(void **state)
{
    (void)state;
    assert_true(utf8_valid("", 0));
    assert_true(utf8_valid("12345678\xED\x95\x9C"
                           "90",
                           13));
    assert_int_equal(utf8_valid_len("12345678\xFF", 9), 8);
    assert_int_equal(utf8_valid_len("123\xED\x95", 5), 3);
    assert_int_equal(utf8_valid_len("1234567890123456\xC3\xA9\x80", 19), 18);
}

static void test_cut(void **state)
{
    (void)state;
    assert_int_equal(utf8_cut("abc", 3), 3);
    assert_int_equal(utf8_cut("a\xED\x95\x9C", 4), 4);
    assert_int_equal(utf8_cut("a\xED\x95", 3), 1);
    assert_int_equal(utf8_cut("a\xED", 2), 1);
    assert_int_equal(utf8_cut("\xF0\x9F\x98", 3), 0);
    assert_int_equal(utf8_cut("\x80\x80\x80\x80\x80", 5), 5);
    assert_int_equal(utf8_cut("", 0), 0);
}

static void test_count(void **state)
{
    (void)state;
    assert_int_equal(utf8_count("", 0), 0);
    assert_int_equal(utf8_count("a\xED\x95\x9C\xF0\x9F\x98\x80", 8), 3);
    assert_int_equal(utf8_count("\xFF\xFE"
                                "a",
                                3),
                     3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next_agrees_with_the_definition),
        cmocka_unit_test(test_valid_len),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
