#include "unit.h"

#include "base/json.h"

static enum antiphon_status parse(const char *text, const struct json_limits *limits, cJSON **tree,
                                  struct err *err)
{
    /* Exactly sized, so that a sanitizer sees one byte read too many. */
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1);

    assert_non_null(copy);
    memcpy(copy, text, len);
    enum antiphon_status status = json_parse(copy, len, limits, tree, err);
    free(copy);
    return status;
}

static void assert_refused(const char *text, const char *why)
{
    cJSON *tree = NULL;
    struct err err = {0};

    assert_int_equal(parse(text, NULL, &tree, &err), ANTIPHON_EINVAL);
    assert_null(tree);
    if (!strstr(err.text, why))
        fail_msg("%s: \"%s\" is not in \"%s\"", text, why, err.text);
}

static void assert_prints(const char *text, const char *want)
{
    cJSON *tree = NULL;
    struct err err = {0};
    struct buf out;

    if (parse(text, NULL, &tree, &err))
        fail_msg("%s: %s", text, err.text);
    buf_init(&out, 4096);
    assert_int_equal(json_print(tree, &out), ANTIPHON_OK);
    assert_string_equal(buf_text(&out), want);
    buf_deinit(&out);
    cJSON_Delete(tree);
}

static void test_legal(void **state)
{
    (void)state;
    assert_prints(" {} ", "{}");
    assert_prints("[ ]", "[]");
    assert_prints("\t\"x\"\r\n", "\"x\"");
    assert_prints("{\"a\":[1,true,false,null,{\"b\":[]}],\"a\":2}",
                  "{\"a\":[1,true,false,null,{\"b\":[]}],\"a\":2}");
    assert_prints("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\xC3\xA9\"");
    assert_prints("\"\\ud83d\\uDE00\"", "\"\xF0\x9F\x98\x80\"");
    assert_prints("\"\\uD7FF\\uE000\"", "\"\xED\x9F\xBF\xEE\x80\x80\"");
    assert_prints("\"\xED\x95\x9C\"", "\"\xED\x95\x9C\"");
}

static void test_numbers(void **state)
{
    (void)state;
    assert_prints("[0,-0,1,-1,0.5,-2.5e-3,1E2,10e+1]", "[0,0,1,-1,0.5,-0.0025,100,100]");
    assert_prints("9007199254740991", "9007199254740991");
    assert_prints("-9007199254740992", "-9007199254740992");
    assert_prints("1732447123456789", "1732447123456789");
    assert_prints("0.1", "0.1");
    assert_prints("3.141592653589793", "3.141592653589793");
    assert_prints("0.30000000000000004", "0.30000000000000004");
    assert_prints("1e300", "1e+300");
    assert_prints("5e-324", "4.94065645841247e-324");
    assert_prints("1e-999", "0");
    assert_refused("01", "byte 1: malformed number");
    assert_refused("-", "malformed number");
    assert_refused("1.", "malformed number");
    assert_refused("1.e3", "malformed number");
    assert_refused("1e", "malformed number");
    assert_refused("[+1]", "a value is missing");
    assert_refused("[.5]", "a value is missing");
    assert_refused("0x10", "more text");
    assert_refused("NaN", "a value is missing");
    assert_refused("1e999", "out of range");
    assert_refused("[-1e999]", "out of range");
    assert_refused("1000000000000000000000000000000000000000000000000000000000000000000",
                   "out of range");
}

static void test_structure(void **state)
{
    (void)state;
    assert_refused("", "byte 0: a value is missing");
    assert_refused("  ", "byte 2: a value is missing");
    assert_refused("{", "a name in quotes");
    assert_refused("[", "a value is missing");
    assert_refused("[1", "a comma or ]");
    assert_refused("[1}", "byte 2: a comma or ]");
    assert_refused("{\"a\":1]", "a comma or }");
    assert_refused("[1,]", "a value is missing");
    assert_refused("[,1]", "a value is missing");
    assert_refused("{\"a\":1,}", "a name in quotes");
    assert_refused("{,}", "a name in quotes");
    assert_refused("{a:1}", "a name in quotes");
    assert_refused("{\"a\"}", "a colon");
    assert_refused("{\"a\":}", "a value is missing");
    assert_refused("[1 2]", "a comma or ]");
    assert_refused("{\"a\":1}xyz", "byte 7: more text");
    assert_refused("{}{}", "more text");
    assert_refused("]", "a value is missing");
    assert_refused("tru", "a value is missing");
    assert_refused("[truex]", "a comma or ]");
    assert_refused("True", "a value is missing");
    assert_refused("'a'", "a value is missing");
    assert_refused("// x\n1", "a value is missing");
    assert_refused("\xEF\xBB\xBF{}", "a value is missing");
    assert_refused("[1,\v2]", "a value is missing");
    assert_refused("[1,\f2]", "a value is missing");
}

static void test_strings(void **state)
{
    cJSON *tree;
    struct err err;

    (void)state;
    assert_refused("\"abc", "does not end");
    assert_refused("\"abc\\", "unknown escape");
    assert_refused("\"abc\\\"", "does not end");
    assert_refused("\"a\nb\"", "byte 2: control character");
    assert_refused("\"a\x01\"", "control character");
    assert_refused("\"\\x\"", "unknown escape");
    assert_refused("\"\\u12\"", "unknown escape");
    assert_refused("\"\\u12g4\"", "hexadecimal");
    assert_refused("\"\\uZZZZ\"", "hexadecimal");
    assert_refused("{\"a\":\"x\\u0000y\"}", "\\u0000");
    assert_refused("\"\\ud800\"", "surrogate");
    assert_refused("\"\\udc00\\ud800\"", "surrogate");
    assert_refused("\"\\ud800\\u0041\"", "surrogate");
    assert_refused("\"\\ud800\\ud800\"", "surrogate");
    assert_refused("\"\xFF\"", "byte 1: not UTF-8");
    assert_refused("\"\xC0\xAF\"", "not UTF-8");
    assert_refused("\"\xED\xA0\x80\"", "not UTF-8");
    assert_refused("\"\xF5\x80\x80\x80\"", "not UTF-8");
    assert_refused("\"12345678\xE2\x82\"", "byte 9: not UTF-8");
    assert_int_equal(json_parse("[1]\0", 4, NULL, &tree, &err), ANTIPHON_EINVAL);
    assert_int_equal(json_parse("\"a\0b\"", 5, NULL, &tree, &err), ANTIPHON_EINVAL);
}

static void assert_too_big(const char *text, const struct json_limits *limits)
{
    cJSON *tree = NULL;
    struct err err = {0};

    assert_int_equal(parse(text, limits, &tree, &err), ANTIPHON_ETOOBIG);
    assert_int_equal(err.status, ANTIPHON_ETOOBIG);
    assert_null(tree);
}

static void assert_fits(const char *text, const struct json_limits *limits)
{
    cJSON *tree = NULL;

    assert_int_equal(parse(text, limits, &tree, NULL), ANTIPHON_OK);
    cJSON_Delete(tree);
}

static void test_limits(void **state)
{
    const struct json_limits bytes = {.max_bytes = 5}, depth = {.max_depth = 2},
                             tokens = {.max_tokens = 5}, wild = {.max_depth = 100000};
    char deep[2 * 200 + 1];

    (void)state;
    assert_fits("[1,2]", &bytes);
    assert_too_big("[1,22]", &bytes);
    assert_fits("[[1],[2]]", &depth);
    assert_too_big("[[[]]]", &depth);
    assert_fits("{\"a\":1,\"b\":2}", &tokens);
    assert_fits("[1,2,3,4]", &tokens);
    assert_too_big("[1,2,3,4,5]", &tokens);
    assert_too_big("{\"a\":1,\"b\":[]}", &(struct json_limits){.max_tokens = 4});
    for (unsigned n = 30; n <= 200; n++) {
        memset(deep, '[', n);
        memset(deep + n, ']', n);
        deep[2 * n] = '\0';
        if (n <= JSON_MAX_DEPTH)
            assert_fits(deep, NULL);
        else
            assert_too_big(deep, NULL);
        if (n <= JSON_DEPTH_CEILING)
            assert_fits(deep, &wild);
        else
            assert_too_big(deep, &wild);
    }
}

static void test_default_limits_are_exact(void **state)
{
    struct buf text;
    cJSON *tree;

    (void)state;
    buf_init(&text, (size_t)1 << 21);
    buf_puts(&text, "[1");
    for (unsigned i = 2; i < JSON_MAX_TOKENS; i++)
        buf_puts(&text, ",1");
    buf_puts(&text, "]");
    assert_int_equal(json_parse(text.data, text.len, NULL, &tree, NULL), ANTIPHON_OK);
    cJSON_Delete(tree);
    buf_consume(&text, 1);
    buf_reset(&text);
    while (text.len < (size_t)1 << 20)
        buf_puts(&text, " ");
    text.data[0] = '1';
    assert_int_equal(json_parse(text.data, text.len, NULL, &tree, NULL), ANTIPHON_OK);
    cJSON_Delete(tree);
    buf_puts(&text, " ");
    assert_int_equal(json_parse(text.data, text.len, NULL, &tree, NULL), ANTIPHON_ETOOBIG);
    buf_deinit(&text);
}

static void test_getters(void **state)
{
    cJSON *tree = NULL;

    (void)state;
    assert_int_equal(parse("{\"s\":\"x\",\"S\":\"y\",\"n\":2.5,\"t\":true,\"mime_type\":\"a\"}",
                           NULL, &tree, NULL),
                     ANTIPHON_OK);
    assert_string_equal(json_get_string(tree, "s"), "x");
    assert_string_equal(json_get_string(tree, "S"), "y");
    assert_null(json_get_string(tree, "n"));
    assert_null(json_get_string(tree, "none"));
    assert_null(json_get_string(NULL, "s"));
    assert_true(json_get_bool(tree, "t", false));
    assert_true(json_get_bool(tree, "s", true));
    assert_true(json_get_number(tree, "n", 0) == 2.5);
    assert_true(json_get_number(tree, "t", 7) == 7);
    assert_string_equal(json_get2(tree, "mimeType", "mime_type")->valuestring, "a");
    assert_string_equal(json_get2(tree, NULL, "mime_type")->valuestring, "a");
    assert_string_equal(json_get2(tree, "s", NULL)->valuestring, "x");
    assert_null(json_get2(tree, "N", "T"));
    cJSON_Delete(tree);
}

static void test_print_own_trees(void **state)
{
    cJSON *tree = cJSON_CreateObject(), *inner;
    struct buf out;

    (void)state;
    buf_init(&out, 100);
    cJSON_AddItemToObject(tree, "raw", cJSON_CreateRaw("{\"big\":12345678901234567890}"));
    cJSON_AddNumberToObject(tree, "inf", 1e308 * 10);
    assert_int_equal(json_print(tree, &out), ANTIPHON_OK);
    assert_string_equal(buf_text(&out), "{\"raw\":{\"big\":12345678901234567890},\"inf\":null}");
    cJSON_Delete(tree);

    buf_reset(&out);
    assert_int_equal(json_print(NULL, &out), ANTIPHON_OK);
    assert_string_equal(buf_text(&out), "null");

    /* Too long or too deep: nothing is appended. */
    buf_reset(&out);
    buf_puts(&out, "kept");
    inner = cJSON_CreateArray();
    for (unsigned i = 0; i < 300; i++) {
        tree = cJSON_CreateArray();
        cJSON_AddItemToArray(tree, inner);
        inner = tree;
    }
    assert_int_equal(json_print(inner, &out), ANTIPHON_ETOOBIG);
    assert_string_equal(buf_text(&out), "kept");
    buf_deinit(&out);
    buf_init(&out, 10000);
    buf_puts(&out, "kept");
    assert_int_equal(json_print(inner, &out), ANTIPHON_ETOOBIG);
    assert_string_equal(buf_text(&out), "kept");
    cJSON_Delete(inner);
    buf_deinit(&out);
}

static void test_without_memory(void **state)
{
    const char *text = "{\"a\":[1,\"x\",{\"b\":null}]}";
    cJSON *tree = NULL;
    enum antiphon_status status;
    unsigned n;

    (void)state;
    alloc_hook_cjson();
    for (n = 0;; n++) {
        alloc_fail_at(n);
        status = json_parse(text, strlen(text), NULL, &tree, NULL);
        if (!alloc_has_failed())
            break;
        assert_int_equal(status, ANTIPHON_ENOMEM);
        assert_null(tree);
    }
    assert_int_equal(status, ANTIPHON_OK);
    assert_true(n > 5);
    cJSON_Delete(tree);
    cJSON_InitHooks(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_legal),          cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_structure),      cmocka_unit_test(test_strings),
        cmocka_unit_test(test_limits),         cmocka_unit_test(test_default_limits_are_exact),
        cmocka_unit_test(test_getters),        cmocka_unit_test(test_print_own_trees),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
