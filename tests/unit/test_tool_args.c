#include "unit.h"

#include "plugin/registration.h"
#include "session/tool_args.h"

#define TIME_SCHEMA                                                                                \
    "{\"properties\":{\"city\":{\"title\":\"City\",\"type\":\"string\"}},\"required\":[\"city\"]," \
    "\"title\":\"get_timeParams\",\"type\":\"object\"}"
#define TRIP_SCHEMA                                                                                \
    "{\"type\":\"object\",\"required\":[\"from\",\"to\"],\"properties\":{"                         \
    "\"from\":{\"type\":\"string\"},\"to\":{\"type\":\"string\"},"                                 \
    "\"seats\":{\"type\":\"integer\",\"minimum\":1,\"default\":1},"                                \
    "\"stops\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"at\"],"          \
    "\"properties\":{\"at\":{\"type\":\"string\"}}}}}}"

static enum antiphon_status invoke(void *state, struct antiphon_call *call)
{
    (void)state, (void)call;
    return ANTIPHON_OK;
}

struct probe {
    struct registry_tool tool;
    struct buf clean, why;
};

static void probe_init(struct probe *probe, const char *name, const char *schema)
{
    struct antiphon_tool tool = {.struct_size = sizeof(tool),
                                 .name = name,
                                 .description = "Probes.",
                                 .params_schema = schema,
                                 .invoke = invoke};
    struct err err;

    assert_int_equal(registration_tool(&tool, &probe->tool, &err), ANTIPHON_OK);
    buf_init(&probe->clean, 1u << 21);
    buf_init(&probe->why, 1u << 16);
}

static void probe_deinit(struct probe *probe)
{
    registration_tool_free(&probe->tool);
    buf_deinit(&probe->clean);
    buf_deinit(&probe->why);
}

static enum antiphon_status check(struct probe *probe, const char *args)
{
    buf_reset(&probe->clean);
    buf_reset(&probe->why);
    return tool_args_check(&probe->tool, args, strlen(args), &probe->clean, &probe->why);
}

static void accept(struct probe *probe, const char *args, const char *clean)
{
    assert_int_equal(check(probe, args), ANTIPHON_OK);
    assert_string_equal(buf_text(&probe->clean), clean);
    assert_int_equal(probe->why.len, 0);
}

static void refuse(struct probe *probe, const char *args, const char *why)
{
    assert_int_equal(check(probe, args), ANTIPHON_EINVAL);
    assert_string_equal(buf_text(&probe->why), why);
    assert_int_equal(probe->clean.len, 0);
}

static void test_good(void **state)
{
    struct probe probe;

    (void)state;
    probe_init(&probe, "get_time", TIME_SCHEMA);
    accept(&probe, "{\"city\":\"Seoul\"}", "{\"city\":\"Seoul\"}");
    accept(&probe, "{\"city\":\"서울\"}", "{\"city\":\"서울\"}");
    accept(&probe, "{ \"city\" : \"a\\u0041\" }", "{ \"city\" : \"a\\u0041\" }");
    probe_deinit(&probe);
    probe_init(&probe, "trip", TRIP_SCHEMA);
    /* Defaults are the tool's business, and numbers keep their digits. */
    accept(&probe, "{\"from\":\"a\",\"to\":\"b\"}", "{\"from\":\"a\",\"to\":\"b\"}");
    accept(&probe, "{\"from\":\"a\",\"to\":\"b\",\"seats\":9007199254740993}",
           "{\"from\":\"a\",\"to\":\"b\",\"seats\":9007199254740993}");
    probe_deinit(&probe);
}

static void test_unknown_members_are_dropped(void **state)
{
    struct probe probe;

    (void)state;
    probe_init(&probe, "get_time", TIME_SCHEMA);
    accept(&probe, "{\"zone\":{\"x\":[1]},\"city\":\"Seoul\",\"unit\":\"C\"}",
           "{\"city\":\"Seoul\"}");
    probe_deinit(&probe);
    probe_init(&probe, "trip", TRIP_SCHEMA);
    accept(&probe, "{\"from\":\"a\",\"to\":\"b\",\"stops\":[{\"at\":\"c\",\"why\":1}]}",
           "{\"from\":\"a\",\"to\":\"b\",\"stops\":[{\"at\":\"c\"}]}");
    probe_deinit(&probe);
    probe_init(&probe, "nothing", NULL);
    accept(&probe, "", "{}");
    accept(&probe, "{}", "{}");
    accept(&probe, "{\"a\":1}", "{}");
    probe_deinit(&probe);
}

static void test_missing(void **state)
{
    struct probe probe;

    (void)state;
    probe_init(&probe, "get_time", TIME_SCHEMA);
    refuse(&probe, "{}",
           "Invoking `get_time()` failed as the following mandatory input parameters are not "
           "present:\ncity\nYou could retry calling this tool, but it is IMPORTANT for you to "
           "provide all the mandatory parameters.");
    probe_deinit(&probe);
    probe_init(&probe, "trip", TRIP_SCHEMA);
    refuse(&probe, "{\"seats\":\"two\"}",
           "Invoking `trip()` failed as the following mandatory input parameters are not "
           "present:\nfrom\nto\nYou could retry calling this tool, but it is IMPORTANT for you to "
           "provide all the mandatory parameters.");
    probe_deinit(&probe);
}

static void refuse_naming(struct probe *probe, const char *args, const char *path)
{
    static const char head[] =
        "Invoking `trip()` failed as the following input parameters are not valid:\n";
    static const char tail[] = "\nYou could retry calling this tool, but it is IMPORTANT for you "
                               "to provide valid values for all parameters.";

    assert_int_equal(check(probe, args), ANTIPHON_EINVAL);
    const char *why = buf_text(&probe->why);
    assert_int_equal(strncmp(why, head, strlen(head)), 0);
    assert_non_null(strstr(why, path));
    assert_string_equal(why + strlen(why) - strlen(tail), tail);
}

static void test_wrong(void **state)
{
    struct probe probe;

    (void)state;
    probe_init(&probe, "trip", TRIP_SCHEMA);
    refuse_naming(&probe, "{\"from\":5,\"to\":\"b\"}", "\nfrom: ");
    assert_non_null(strstr(buf_text(&probe.why), "string"));
    refuse_naming(&probe, "{\"from\":\"a\",\"to\":\"b\",\"seats\":0}", "\nseats: ");
    refuse_naming(&probe, "{\"from\":\"a\",\"to\":null,\"seats\":1.5}", "\nseats: ");
    assert_non_null(strstr(buf_text(&probe.why), "\nto: "));
    refuse_naming(&probe, "{\"from\":\"a\",\"to\":\"b\",\"stops\":[{\"at\":\"c\"},{}]}",
                  "\nstops[1]");
    assert_non_null(strstr(buf_text(&probe.why), "at"));
    probe_deinit(&probe);
}

static void test_not_an_object(void **state)
{
    struct probe probe;

    (void)state;
    probe_init(&probe, "get_time", TIME_SCHEMA);
    refuse(&probe, "[1]",
           "Invoking `get_time()` failed as its arguments are not a JSON object.\nYou could retry "
           "calling this tool, but it is IMPORTANT for you to provide the parameters as one JSON "
           "object.");
    refuse(&probe, "{\"city\":",
           "Invoking `get_time()` failed as its arguments are not a JSON object: invalid JSON at "
           "byte 8: a value is missing.\nYou could retry calling this tool, but it is IMPORTANT "
           "for you to provide the parameters as one JSON object.");
    probe_deinit(&probe);
}

static void test_unknown_tool(void **state)
{
    static const char *const names[] = {"get_time", "get_weather", "slow_time",
                                        "plain",    "nothing",     "boom"};
    char longest[300];
    struct buf why;

    (void)state;
    buf_init(&why, 4096);
    tool_unknown_text("nosuch", names, 6, &why);
    assert_string_equal(
        buf_text(&why),
        "Invoking `nosuch()` failed as no tool with that name is available. The tools you can call "
        "are: get_time, get_weather, slow_time, plain, nothing, boom. You could retry, but it is "
        "IMPORTANT that you only call a tool from that list.");
    buf_reset(&why);
    tool_unknown_text("nosuch", NULL, 0, &why);
    assert_string_equal(buf_text(&why),
                        "Invoking `nosuch()` failed as no tool with that name is available. There "
                        "is no tool that you can call. It is IMPORTANT that you answer without "
                        "calling one.");
    buf_reset(&why);
    memset(longest, 'a', sizeof(longest));
    longest[299] = '\0';
    tool_unknown_text(longest, names, 1, &why);
    assert_int_equal(strcspn(buf_text(&why), "("), 10 + TOOL_ARGS_MAX_NAME_BYTES);
    buf_deinit(&why);
}

static void test_no_memory(void **state)
{
    static const char args[] = "{\"city\":\"Seoul\",\"more\":1}";
    struct probe probe;
    enum antiphon_status status;

    (void)state;
    alloc_hook_cjson();
    probe_init(&probe, "get_time", TIME_SCHEMA);
    for (unsigned n = 0; buf_deinit(&probe.clean), buf_deinit(&probe.why), alloc_fail_at(n),
                  status = tool_args_check(&probe.tool, args, strlen(args), &probe.clean,
                                           &probe.why),
                  alloc_has_failed();
         n++)
        assert_int_equal(status, ANTIPHON_ENOMEM);
    assert_int_equal(status, ANTIPHON_OK);
    assert_string_equal(buf_text(&probe.clean), "{\"city\":\"Seoul\"}");
    probe_deinit(&probe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),          cmocka_unit_test(test_unknown_members_are_dropped),
        cmocka_unit_test(test_missing),       cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_not_an_object), cmocka_unit_test(test_unknown_tool),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
