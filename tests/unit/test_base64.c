#include "unit.h"

#include "base/base64.h"

static void assert_form(const char *text, enum base64_form form, size_t decoded)
{
    size_t got = 0;

    assert_int_equal(base64_check(text, strlen(text), &got), form);
    if (form != BASE64_BAD)
        assert_int_equal(got, decoded);
}

static void test_forms(void **state)
{
    (void)state;
    assert_form("", BASE64_STANDARD, 0);
    assert_form("Zg==", BASE64_STANDARD, 1);
    assert_form("Zm8=", BASE64_STANDARD, 2);
    assert_form("Zm9v", BASE64_STANDARD, 3);
    assert_form("+/+/", BASE64_STANDARD, 3);
    assert_form("-_-_", BASE64_OTHER, 3);
    assert_form("-_8=", BASE64_OTHER, 2);
    assert_form("Zg", BASE64_OTHER, 1);
    assert_form("Zm8", BASE64_OTHER, 2);
    assert_form("Zm9vZg", BASE64_OTHER, 4);
    assert_form("Zh==", BASE64_OTHER, 1); /* unused bits set */
    assert_form("Zm9=", BASE64_OTHER, 2);
}

static void test_bad(void **state)
{
    static const char *const bad[] = {
        "Z",      "=",    "==",         "Zg=",      "Zg===",   "Zm9v=", "Zm9v====",
        "Zm9v==", "Z===", "====",       "Zg==Zg==", "Z=g=",    "+_+_",  "Zm9v\n",
        "Zm 9",   "Zm9*", "Zm\xC3\xB6", "Zm9vZ",    "Zm9v Zm9"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_form(bad[i], BASE64_BAD, 0);
    size_t got;
    assert_int_equal(base64_check("Zm\0v", 4, &got), BASE64_BAD);
}

/* Each byte at each place around a block's border. */
static void test_every_byte(void **state)
{
    static const char legal[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char text[136];
    size_t decoded;

    (void)state;
    for (size_t place = 0; place < sizeof(text); place++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            memset(text, 'A', sizeof(text));
            text[place] = (char)byte;
            enum base64_form want = BASE64_BAD;
            if (byte == '+' || byte == '/' || (byte && strchr(legal, (int)byte)))
                want = BASE64_STANDARD;
            else if (byte == '-' || byte == '_')
                want = BASE64_OTHER;
            else if (byte == '=' && place == sizeof(text) - 1)
                want = BASE64_STANDARD;
            assert_int_equal(base64_check(text, sizeof(text), &decoded), want);
        }
    }
}

static void test_vectors(void **state)
{
    /* RFC 4648 section 10 */
    static const char *const vectors[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"}};
    char text[16], data[16];
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const char *plain = vectors[i][0], *coded = vectors[i][1];
        base64_encode(plain, strlen(plain), text);
        assert_string_equal(text, coded);
        assert_int_equal(base64_encoded_len(strlen(plain)), strlen(coded));
        assert_int_equal(base64_decode(coded, strlen(coded), data, &len), ANTIPHON_OK);
        assert_int_equal(len, strlen(plain));
        assert_memory_equal(data, plain, len);
    }
    assert_int_equal(base64_decode("Zg=", 3, data, &len), ANTIPHON_EINVAL);
}

/* Any data of any length there and back, exactly sized so that a sanitizer sees a byte too many. */
static void test_there_and_back(void **state)
{
    (void)state;
    for (size_t len = 0; len < 300; len++) {
        unsigned char *data = malloc(len + 1), *back;
        char *text = malloc(base64_encoded_len(len) + 1);
        size_t decoded, got;
        assert_true(data && text);
        for (size_t i = 0; i < len; i++)
            data[i] = (unsigned char)(i * 151 + len * 7);
        base64_encode(data, len, text);
        assert_int_equal(base64_check(text, strlen(text), &decoded), BASE64_STANDARD);
        assert_int_equal(decoded, len);
        back = malloc(decoded + 1);
        assert_non_null(back);
        assert_int_equal(base64_decode(text, strlen(text), back, &got), ANTIPHON_OK);
        assert_int_equal(got, len);
        assert_memory_equal(back, data, len);
        free(back);
        free(text);
        free(data);
    }
}

static void assert_standard(const char *text, const char *want)
{
    char *out = malloc(strlen(text) + 3);
    size_t len;

    assert_non_null(out);
    base64_to_standard(text, strlen(text), out, &len);
    assert_string_equal(out, want);
    assert_int_equal(len, strlen(want));
    free(out);
}

static void test_to_standard(void **state)
{
    (void)state;
    assert_standard("", "");
    assert_standard("-_-_", "+/+/");
    assert_standard("Zg", "Zg==");
    assert_standard("Zm8", "Zm8=");
    assert_standard("-_8=", "+/8=");
    assert_standard("Zm9v", "Zm9v");
    assert_standard("Zh==", "Zg==");
    assert_standard("Zm9", "Zm8=");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),          cmocka_unit_test(test_bad),
        cmocka_unit_test(test_every_byte),     cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_to_standard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
