#include "unit.h"

#include "config/template.h"

static const char state_text[] =
    "{\"name\":\"Kim\",\"app:title\":\"T\",\"user:lang\":\"ko\",\"temp:x\":\"tx\",\"n\":3,\"b\":"
    "true,"
    "\"nil\":null,\"list\":[1,\"a\"],\"braces\":\"{name}\",\"\xed\x95\x9c\":\"han\"}";

static void assert_expands(const char *text, const char *want)
{
    cJSON *state = cJSON_Parse(state_text);
    struct err err = {0};
    struct buf out;

    buf_init(&out, 4096);
    if (template_expand(text, state, &out, &err) != ANTIPHON_OK)
        fail_msg("%s: %s", text, err.text);
    assert_string_equal(buf_text(&out), want);
    buf_deinit(&out);
    cJSON_Delete(state);
}

static void assert_fails(const char *text, enum antiphon_status status, const char *want)
{
    cJSON *state = cJSON_Parse(state_text);
    struct err err = {0};
    struct buf out;

    buf_init(&out, 16);
    assert_int_equal(template_expand(text, state, &out, &err), status);
    if (!strstr(err.text, want))
        fail_msg("\"%s\" is not in \"%s\"", want, err.text);
    buf_deinit(&out);
    cJSON_Delete(state);
}

static void test_keys(void **state)
{
    (void)state;
    assert_expands("", "");
    assert_expands("plain", "plain");
    assert_expands("Hi {name}!", "Hi Kim!");
    assert_expands("{app:title}{user:lang}{temp:x}", "Tkotx");
    assert_expands("{ name }{name?}{n}{b}{list}{nil}", "KimKim3true[1,\"a\"]");
    assert_expands("{{name}}", "Kim");
    assert_expands("{\xed\x95\x9c}", "han");
    assert_expands("[{absent?}][{user:absent?}][{artifact.x?}]", "[][][]");
    /* What a value holds is not expanded again. */
    assert_expands("{braces}", "{name}");
}

static void test_no_keys(void **state)
{
    static const char *const same[] = {
        "{}",        "{ }",    "{?}",     "{1a}",  "{a-b}",   "{\"json\": 1}",
        "{other:x}", "{app:}", "{name",   "name}", "}{",      "{a b}",
        "{ {",       "{{",     "{a:b:c}", "{\n}",  "{user:}", "{artifact}x{"};

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(same) / sizeof(same[0]); i++)
        assert_expands(same[i], same[i]);
    assert_expands("{ {name}", "{ Kim");
    assert_expands("{a-b}{name}{", "{a-b}Kim{");
}

static void test_faults(void **state)
{
    (void)state;
    assert_fails("{absent}", ANTIPHON_EINVAL, "\"absent\"");
    assert_fails("{user:absent}", ANTIPHON_EINVAL, "{user:absent?}");
    assert_fails("{artifact.notes}", ANTIPHON_EINVAL, "artifacts are not supported yet");
    assert_fails("more than sixteen bytes", ANTIPHON_ETOOBIG, "too large");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_no_keys),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
