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

/* A value that may be a secret is one, whichever choice it fits. */
static void choices(void **state)
{
    struct jschema *schema = compile("{\"type\":\"object\",\"properties\":{"
                                     "\"pin\":{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"string\",\"writeOnly\":true}]},"
                                     "\"list\":{\"items\":{\"anyOf\":[{\"type\":\"string\",\"writeOnly\":true}]}}}}");

    (void)state;
    assert_true(tool_secret_any(schema));
    expect_args(schema, "{\"pin\":\"1234\",\"list\":[\"abcd\",5]}",
                "{\"pin\":\"(secret)\",\"list\":[\"(secret)\",\"(secret)\"]}");
    expect_result(schema, "{\"pin\":\"1234\",\"list\":[\"abcd\"]}", "{\"a\":\"x1234\",\"b\":\"abcd.\",\"c\":\"d\"}",
                  "{\"a\":\"(secret)\",\"b\":\"(secret)\",\"c\":\"d\"}");
    jschema_free(schema);
    schema = compile("{\"type\":\"object\",\"writeOnly\":true}");
    expect_args(schema, "{\"pin\":\"1234\"}", "{}");
    expect_result(schema, "{\"pin\":\"1234\"}", "{\"a\":\"1234\"}", "{\"a\":\"(secret)\"}");
    jschema_free(schema);
}

static void names_that_come_twice(void **state)
{
    struct jschema *schema = compile(with_secrets);

    (void)state;
    expect_args(schema, "{\"pin\":\"1234\",\"pin\":\"5678\",\"to\":{},\"to\":{\"iban\":\"DE12\"}}",
                "{\"pin\":\"(secret)\",\"pin\":\"(secret)\",\"to\":{},\"to\":{\"iban\":\"(secret)\"}}");
    expect_result(schema, "{\"pin\":\"1234\",\"pin\":\"5678\"}", "{\"a\":\"5678\",\"pin\":1,\"pin\":2}",
                  "{\"a\":\"(secret)\",\"pin\":\"(secret)\",\"pin\":\"(secret)\"}");
    jschema_free(schema);
}

static void results_tell_what_was_not_asked(void **state)
{
    struct jschema *schema = compile(with_secrets);

    (void)state;
    expect_result(schema, "{\"amount\":5}", "{\"account\":{\"iban\":\"DE12\"},\"cards\":[{\"cvc\":1}],\"codes\":[\"xy\"]}",
                  "{\"account\":{\"iban\":\"(secret)\"},\"cards\":[{\"cvc\":\"(secret)\"}],\"codes\":\"(secret)\"}");
    expect_result(schema, "{\"pin\":\"1234\"}", "{\"1234\":1,\"for 1234\":{\"a\":\"b\"}}",
                  "{\"(secret)\":1,\"(secret)\":{\"a\":\"b\"}}");
    /* Whose secrets are not known is not shown. */
    expect_result(schema, "{\"pin\":", "{\"text\":\"1234\"}", "{\"result\":\"(secret)\"}");
    jschema_free(schema);
}

/* Beyond the bound nothing is shown, instead of the secrets that found no room. */
static void more_secrets_than_are_kept(void **state)
{
    struct jschema *schema = compile(with_secrets);
    struct buf args;

    (void)state;
    for (unsigned n = 63; n <= 65; n++) {
        buf_init(&args, 65536);
        buf_puts(&args, "{\"codes\":[");
        for (unsigned i = 0; i < n; i++)
            buf_printf(&args, "%s\"code%u\"", i ? "," : "", 100 + i);
        buf_puts(&args, "]}");
        expect_result(schema, buf_text(&args), "{\"a\":\"code164\",\"b\":\"code162\"}",
                      n > 64 ? "{\"result\":\"(secret)\"}" : "{\"a\":\"code164\",\"b\":\"(secret)\"}");
        buf_deinit(&args);
    }
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
    failed = true;
    for (unsigned n = 0; failed; n++) {
        struct buf out;
        buf_init(&out, 65536);
        alloc_fail_at(n);
        enum antiphon_status status =
            tool_secret_hide_result(schema, "{\"pin\":\"1234\"}", "{\"a\":\"1234\",\"1234\":[\"12345\"]}", &out);
        failed = alloc_has_failed();
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
                                       cmocka_unit_test(choices), cmocka_unit_test(names_that_come_twice),
                                       cmocka_unit_test(results_tell_what_was_not_asked),
                                       cmocka_unit_test(more_secrets_than_are_kept), cmocka_unit_test(without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
