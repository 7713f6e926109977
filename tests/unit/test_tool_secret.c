#include "unit.h"

#include "session/tool_secret.h"

static const char with_secrets[] =
    "{\"type\":\"object\",\"properties\":{\"amount\":{\"type\":\"number\"},\"pin\":{\"type\":\"string\",\"writeOnly\":true},"
    "\"to\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"iban\":{\"writeOnly\":true}}},"
    "\"cards\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"cvc\":{\"writeOnly\":true}}}},"
    "\"codes\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"writeOnly\":true}}}}";
static const char without[] = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"number\"}}}";

static struct jschema *compile(const char *text)
{
    struct jschema *schema = NULL;
    struct err err = {0};

    if (jschema_new("test", text, &schema, &err))
        fail_msg("%s", err.text);
    return schema;
}

static void expect_args(const struct jschema *schema, const char *args, const char *shown)
{
    struct buf out;

    buf_init(&out, 65536);
    assert_int_equal(tool_secret_hide_args(schema, args, &out), ANTIPHON_OK);
    assert_string_equal(buf_text(&out), shown);
    buf_deinit(&out);
}

static void expect_result(const struct jschema *schema, const char *args, const char *result, const char *shown)
{
    struct buf out;

    buf_init(&out, 65536);
    assert_int_equal(tool_secret_hide_result(schema, args, result, &out), ANTIPHON_OK);
    assert_string_equal(buf_text(&out), shown);
    buf_deinit(&out);
}

static void arguments(void **state)
{
    struct jschema *schema = compile(with_secrets), *plain = compile(without);

    (void)state;
    assert_true(tool_secret_any(schema));
    assert_false(tool_secret_any(plain));
    assert_false(tool_secret_any(NULL));
    expect_args(NULL, "{\"n\": 12345678901234567890}", "{\"n\": 12345678901234567890}");
    expect_args(plain, "{\"n\": 12345678901234567890}", "{\"n\": 12345678901234567890}");
    expect_args(schema, "{\"pin\":\"1234\",\"amount\":5,\"more\":\"x\"}",
                "{\"pin\":\"(secret)\",\"amount\":5,\"more\":\"x\"}");
    expect_args(schema, "{\"to\":{\"iban\":{\"deep\":[1]},\"name\":\"Ada\"}}",
                "{\"to\":{\"iban\":\"(secret)\",\"name\":\"Ada\"}}");
    expect_args(schema, "{\"cards\":[{\"cvc\":123},{},{\"cvc\":null}],\"codes\":[\"a\",2]}",
                "{\"cards\":[{\"cvc\":\"(secret)\"},{},{\"cvc\":\"(secret)\"}],\"codes\":[\"(secret)\",\"(secret)\"]}");
    expect_args(schema, "{\"pin\":", "{}");
    expect_args(schema, "[\"1234\"]", "{}");
    jschema_free(schema);
    jschema_free(plain);
}

static void results(void **state)
{
    struct jschema *schema = compile(with_secrets);

    (void)state;
    expect_result(NULL, "{}", "{\"a\":1}", "{\"a\":1}");
    expect_result(schema, "{\"pin\":\"1234\"}", "{\"text\":\"paid with 1234\",\"ok\":true,\"list\":[{\"pin\":7},\"1234\",\"12\"]}",
                  "{\"text\":\"(secret)\",\"ok\":true,\"list\":[{\"pin\":\"(secret)\"},\"(secret)\",\"12\"]}");
    /* Too short to be told from anything else. */
    expect_result(schema, "{\"pin\":\"1\"}", "{\"text\":\"11:00\"}", "{\"text\":\"11:00\"}");
    expect_result(schema, "{\"codes\":[\"abcd\"]}", "{\"text\":\"xabcdx\"}", "{\"text\":\"(secret)\"}");
    expect_result(schema, "{}", "\"oops\"", "{\"result\":\"(secret)\"}");
    jschema_free(schema);
}

static void without_memory(void **state)
{
    struct jschema *schema = compile(with_secrets);
    bool failed = true;

    (void)state;
    alloc_hook_cjson();
    for (unsigned n = 0; failed; n++) {
        struct buf out;
        buf_init(&out, 65536);
        alloc_fail_at(n);
        enum antiphon_status status = tool_secret_hide_args(schema, "{\"pin\":\"1234\",\"to\":{\"iban\":\"DE1234\"}}", &out);
        failed = alloc_has_failed();
        /* Whatever happens, no secret comes out. */
        assert_null(strstr(buf_text(&out), "1234"));
        if (!failed)
            assert_int_equal(status, ANTIPHON_OK);
        buf_deinit(&out);
    }
    jschema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(arguments), cmocka_unit_test(results),
                                       cmocka_unit_test(without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
