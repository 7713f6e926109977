/* guard - as its plugin, and its parts. */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_walk.h"
#include "pattern.h"

static void start(struct kit *kit, const char *rules)
{
    char config[4096];

    (void)snprintf(config, sizeof(config), "{\"budget_ms\":50,\"rules\":[%s]}", rules);
    kit_open(kit, config);
}

#define CARD                                                                                       \
    "{\"name\":\"cards\",\"at\":[\"user_text\",\"output_transcript\",\"before_tool\",\"after_"     \
    "tool\"],"                                                                                     \
    "\"action\":\"rewrite\",\"pattern\":\"\\\\b([0-9]{4})[- ]?[0-9]{4}[- ]?[0-9]{4}[- "            \
    "]?[0-9]{4}\\\\b\","                                                                           \
    "\"replacement\":\"$1-xxxx\",\"reason\":\"r\"}"

static void test_rewrite(void **state)
{
    struct kit kit;

    (void)state;
    start(&kit, CARD);
    assert_int_equal(antiphon_fake_hook(kit.fake, "guard")->budget_ms, 50);
    assert_null(antiphon_fake_hook(kit.fake, "watch"));
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_USER_TEXT, NULL, "hello"), ANTIPHON_PASS);
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_USER_TEXT, NULL,
                               "pay with 1234 5678 9012 3456 or 1111-2222-3333-4444!"),
                     ANTIPHON_REWRITE);
    assert_string_equal(kit.text, "pay with 1234-xxxx or 1111-xxxx!");
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_INPUT_TRANSCRIPT, NULL, "1234567890123456"),
                     ANTIPHON_PASS);
    /* In a tool's JSON only texts change; what a double could not hold stays. */
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_BEFORE_TOOL, "pay",
                               "{\"n\": 9007199254740993, \"a\":[\"x\\n1234567890123456\"],"
                               "\"1234567890123456\":true, \"f\":1.10}"),
                     ANTIPHON_REWRITE);
    assert_string_equal(kit.text, "{\"n\": 9007199254740993, \"a\":[\"x\\n1234-xxxx\"],"
                                  "\"1234567890123456\":true, \"f\":1.10}");
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_AFTER_TOOL, "pay", "{\"a\":1234567890123456}"),
                     ANTIPHON_PASS);
    assert_true(kit_logged(&kit, "rule cards rewrote at user_text"));
    assert_true(kit_logged(&kit, "rule cards rewrote at before_tool of pay"));
    kit_close(&kit);
}

static void test_refuse(void **state)
{
    struct kit kit;

    (void)state;
    start(&kit, "{\"name\":\"swear\",\"at\":[\"user_text\"],\"action\":\"refuse\",\"pattern\":"
                "\"젠장|damn\","
                "\"ignore_case\":true,\"reason\":\"Please be kind.\"},"
                "{\"name\":\"no-mail\",\"at\":[\"before_tool\"],\"tools\":[\"send_*\"],"
                "\"action\":\"refuse\",\"reason\":\"No mail from here.\"}");
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_USER_TEXT, NULL, "DAMN it"), ANTIPHON_REFUSE);
    assert_string_equal(kit.text, "Please be kind.");
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_USER_TEXT, NULL, "아 젠장"), ANTIPHON_REFUSE);
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_BEFORE_TOOL, "send_mail", "{}"),
                     ANTIPHON_REFUSE);
    assert_string_equal(kit.text, "No mail from here.");
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_BEFORE_TOOL, "read_mail", "{}"), ANTIPHON_PASS);
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_AFTER_TOOL, "send_mail", "{}"), ANTIPHON_PASS);
    kit_close(&kit);
}

static void test_argument(void **state)
{
    struct kit kit;

    (void)state;
    start(
        &kit,
        "{\"name\":\"much\",\"at\":[\"before_tool\"],\"argument\":\"amount\",\"action\":\"refuse\","
        "\"pattern\":\"^[0-9]{4,}\",\"reason\":\"Too much.\"},"
        "{\"name\":\"any\",\"at\":[\"before_tool\"],\"argument\":\"force\",\"action\":\"refuse\","
        "\"reason\":\"No force.\"}");
    assert_int_equal(
        kit_check(&kit, ANTIPHON_HOOK_BEFORE_TOOL, "pay", "{\"amount\":999,\"id\":12345}"),
        ANTIPHON_PASS);
    assert_int_equal(
        kit_check(&kit, ANTIPHON_HOOK_BEFORE_TOOL, "pay", "{\"id\":1, \"amount\" : 1000}"),
        ANTIPHON_REFUSE);
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_BEFORE_TOOL, "pay", "{\"x\":{\"amount\":1000}}"),
                     ANTIPHON_PASS);
    assert_int_equal(
        kit_check(&kit, ANTIPHON_HOOK_BEFORE_TOOL, "pay", "{\"amount\":{\"eur\":[5000]}}"),
        ANTIPHON_REFUSE);
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_BEFORE_TOOL, "pay", "{\"force\":true}"),
                     ANTIPHON_REFUSE);
    assert_string_equal(kit.text, "No force.");
    kit_close(&kit);
}

static void test_answer(void **state)
{
    struct kit kit;

    (void)state;
    start(&kit, "{\"name\":\"canned\",\"at\":[\"before_tool\"],\"tools\":[\"weather\"],\"pattern\":"
                "\"Atlantis\","
                "\"action\":\"answer\",\"answer\":{\"weather\":\"wet\"},\"reason\":\"r\"}");
    assert_int_equal(
        kit_check(&kit, ANTIPHON_HOOK_BEFORE_TOOL, "weather", "{\"city\":\"Atlantis\"}"),
        ANTIPHON_ANSWER);
    assert_string_equal(kit.text, "{\"weather\":\"wet\"}");
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_BEFORE_TOOL, "weather", "{\"city\":\"Rome\"}"),
                     ANTIPHON_PASS);
    kit_close(&kit);
}

/* A rule sees what the rules before it made; an agent's rule leaves other agents alone. */
static void test_order_and_agents(void **state)
{
    struct kit kit;

    (void)state;
    start(&kit,
          "{\"name\":\"a\",\"at\":[\"user_text\"],\"action\":\"rewrite\",\"pattern\":\"red\","
          "\"replacement\":\"blue\",\"reason\":\"r\"},"
          "{\"name\":\"b\",\"at\":[\"user_text\"],\"action\":\"refuse\",\"pattern\":\"blue car\","
          "\"reason\":\"no blue\"},"
          "{\"name\":\"c\",\"at\":[\"user_text\"],\"action\":\"refuse\",\"agents\":[\"other*\"],"
          "\"reason\":\"never\"}");
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_USER_TEXT, NULL, "a red car"), ANTIPHON_REFUSE);
    assert_string_equal(kit.text, "no blue");
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_USER_TEXT, NULL, "a red house, red"),
                     ANTIPHON_REWRITE);
    assert_string_equal(kit.text, "a blue house, blue");
    kit_close(&kit);
}

static void test_watch(void **state)
{
    struct kit kit;

    (void)state;
    start(&kit,
          "{\"name\":\"money\",\"at\":[\"output_transcript\",\"after_tool\"],\"action\":\"watch\","
          "\"pattern\":\"[0-9]+ ?(EUR|원)\",\"reason\":\"r\"}");
    assert_int_equal(antiphon_fake_hook(kit.fake, "watch")->flags, ANTIPHON_HOOK_WATCH);
    assert_null(antiphon_fake_hook(kit.fake, "guard"));
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_OUTPUT_TRANSCRIPT, NULL, "It is 500원."),
                     ANTIPHON_PASS);
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_AFTER_TOOL, "shop", "{\"price\":\"5 EUR\"}"),
                     ANTIPHON_PASS);
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_OUTPUT_TRANSCRIPT, NULL, "It is free."),
                     ANTIPHON_PASS);
    assert_true(kit_logged(&kit, "rule money saw a match at output_transcript"));
    assert_true(kit_logged(&kit, "rule money saw a match at after_tool of shop"));
    kit_close(&kit);
}

/* Every look at the clock finds it later: a pattern that never ends, ends. */
static void test_budget(void **state)
{
    struct kit kit;
    char text[4096];

    (void)state;
    start(&kit, "{\"name\":\"slow\",\"at\":[\"user_text\"],\"action\":\"refuse\",\"pattern\":\"(a+)"
                "+(b+)+c\","
                "\"reason\":\"r\"}");
    memset(text, 'a', sizeof(text) - 2);
    text[sizeof(text) - 2] = 'c'; /* without one PCRE2 need not search at all */
    text[sizeof(text) - 1] = '\0';
    antiphon_fake_set_tick(kit.fake, 1);
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_USER_TEXT, NULL, text), ANTIPHON_PASS);
    assert_true(
        kit_logged(&kit, "the rules could not be applied at user_text: a search took too long"));
    kit_close(&kit);
}

static void test_too_large(void **state)
{
    struct kit kit;
    char *text = malloc(PATTERN_MAX_TEXT_BYTES + 2);

    (void)state;
    assert_non_null(text);
    memset(text, 'x', PATTERN_MAX_TEXT_BYTES + 1);
    text[PATTERN_MAX_TEXT_BYTES + 1] = '\0';
    start(&kit, "{\"name\":\"x\",\"at\":[\"user_text\"],\"action\":\"rewrite\",\"pattern\":\"x\","
                "\"replacement\":\"0123456789\",\"reason\":\"r\"}");
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_USER_TEXT, NULL, text), ANTIPHON_PASS);
    assert_true(kit_logged(&kit, "a text is too large"));
    text[PATTERN_MAX_TEXT_BYTES] = '\0';
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_USER_TEXT, NULL, text), ANTIPHON_PASS);
    kit_close(&kit);
    free(text);
}

static void test_fail_closed(void **state)
{
    struct kit kit;
    char *text = calloc(1, PATTERN_MAX_TEXT_BYTES + 2);

    (void)state;
    assert_non_null(text);
    memset(text, 'x', PATTERN_MAX_TEXT_BYTES + 1);
    kit_open(&kit, "{\"fail_closed\":true,\"rules\":[{\"name\":\"x\",\"at\":[\"user_text\"],"
                   "\"action\":\"refuse\",\"reason\":\"r\",\"pattern\":\"y\"}]}");
    assert_int_equal(antiphon_fake_hook(kit.fake, "guard")->flags, ANTIPHON_HOOK_FAIL_CLOSED);
    assert_int_equal(antiphon_fake_hook(kit.fake, "guard")->budget_ms, 100);
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_USER_TEXT, NULL, text), ANTIPHON_REFUSE);
    text[PATTERN_MAX_TEXT_BYTES] = '\0';
    assert_int_equal(kit_check(&kit, ANTIPHON_HOOK_USER_TEXT, NULL, text), ANTIPHON_PASS);
    kit_close(&kit);
    free(text);
}

static const struct {
    const char *rule, *why;
} wrong[] = {
    {"\"at\":[\"user_text\"],\"action\":\"rewrite\",\"pattern\":\"x\"",
     "rules[0] (w): to rewrite takes a pattern and a replacement"},
    {"\"at\":[\"user_text\"],\"action\":\"refuse\",\"pattern\":\"a(\"",
     "rules[0] (w): at character 3 of the pattern: missing closing parenthesis"},
    {"\"at\":[\"user_text\"],\"action\":\"rewrite\",\"pattern\":\"a\",\"replacement\":\"$1\"",
     "rules[0] (w): a dollar sign in a replacement is written $$, and a group's number is at most "
     "0 here"},
    {"\"at\":[\"after_tool\"],\"action\":\"answer\",\"answer\":1",
     "rules[0] (w): to answer in place of a tool is possible at before_tool only"},
    {"\"at\":[\"before_tool\"],\"action\":\"answer\"", "rules[0] (w): the answer is missing"},
    {"\"at\":[\"user_text\"],\"action\":\"refuse\",\"tools\":[\"x\"]",
     "rules[0] (w): tools and argument are for before_tool and after_tool only"},
};

static void test_wrong_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char config[512];
        (void)snprintf(config, sizeof(config), "{\"rules\":[{\"name\":\"w\",\"reason\":\"r\",%s}]}",
                       wrong[i].rule);
        struct antiphon_fake *fake = antiphon_fake_open(antiphon_plugin_v1(), config);
        assert_int_equal(antiphon_fake_status(fake), ANTIPHON_EINVAL);
        assert_string_equal(antiphon_fake_why(fake), wrong[i].why);
        assert_int_equal(antiphon_fake_close(fake), 0);
    }
}

static void test_no_rules(void **state)
{
    struct kit kit;

    (void)state;
    kit_open(&kit, "{\"rules\":[]}");
    assert_null(antiphon_fake_hook(kit.fake, "guard"));
    assert_null(antiphon_fake_hook(kit.fake, "watch"));
    kit_close(&kit);
}

static enum antiphon_status count(void *ctx, const char *text, size_t len, bool is_text,
                                  char **made, size_t *made_len)
{
    (void)text, (void)len, (void)is_text, (void)made, (void)made_len;
    ++*(int *)ctx;
    return ANTIPHON_ENOTFOUND;
}

static void test_walk(void **state)
{
    static const char json[] = "{\"a\":\"x\\\"y\",\"b\":[1,true,{\"c\":null}],\"d\":-1.5e3}";
    char *made;
    size_t len;
    int n = 0;

    (void)state;
    assert_int_equal(json_walk(json, strlen(json), NULL, count, &n, &made, &len),
                     ANTIPHON_ENOTFOUND);
    assert_int_equal(n, 5);
    assert_null(made);
    n = 0;
    assert_int_equal(json_walk(json, strlen(json), "b", count, &n, &made, &len),
                     ANTIPHON_ENOTFOUND);
    assert_int_equal(n, 3);
    assert_int_equal(json_walk("{\"a", 3, NULL, count, &n, &made, &len), ANTIPHON_EINVAL);
    assert_int_equal(json_walk("\"\\q\"", 4, NULL, count, &n, &made, &len), ANTIPHON_EINVAL);
    assert_int_equal(json_walk("", 0, NULL, count, &n, &made, &len), ANTIPHON_ENOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rewrite),          cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_argument),         cmocka_unit_test(test_answer),
        cmocka_unit_test(test_order_and_agents), cmocka_unit_test(test_watch),
        cmocka_unit_test(test_budget),           cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_fail_closed),      cmocka_unit_test(test_wrong_rules),
        cmocka_unit_test(test_no_rules),         cmocka_unit_test(test_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
