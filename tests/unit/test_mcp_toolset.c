#include "unit.h"

#include "config/mcp_toolset.h"

#define DIR FIXTURES_DIR "/config/"

static void assert_server(const cJSON *servers, int index, const char *want)
{
    struct buf out;

    buf_init(&out, 1 << 16);
    assert_int_equal(json_print(cJSON_GetArrayItem(servers, index), &out), ANTIPHON_OK);
    assert_string_equal(buf_text(&out), want);
    buf_deinit(&out);
}

static void assert_has(const struct report *report, const char *want)
{
    if (!strstr(buf_text(&report->text), want))
        fail_msg("\"%s\" is not in:\n%s", want, buf_text(&report->text));
}

static void test_join(void **state)
{
    struct config config = {.plugins = cJSON_Parse("{\"mcp\":{\"servers\":[{\"name\":\"mine\",\"url\":\"http://x\"}]}}")};
    struct agents *agents = NULL;
    struct report report;

    (void)state;
    setenv("TOOLSET_TOKEN", "t0ken", 1);
    report_init(&report);
    if (agents_load(DIR "toolset", "one", &report, &agents))
        fail_msg("%s", buf_text(&report.text));
    assert_int_equal(mcp_toolset_join(agents, &config), ANTIPHON_OK);
    const struct agent *one = agents_find(agents, "one"), *two = agents_find(agents, "two");
    assert_string_equal(one->tools[0].name, "toolset_1");
    assert_null(one->tools[0].args);
    assert_int_equal(one->tools[0].policy.calls_per_minute, 5);
    assert_string_equal(one->tools[1].name, "toolset_2");
    assert_string_equal(two->tools[0].name, "clock");
    assert_string_equal(two->tools[1].name, "toolset_2"); /* the same server */
    assert_string_equal(two->tools[2].name, "toolset_3");
    const cJSON *servers = json_get(json_get(config.plugins, "mcp"), "servers");
    assert_int_equal(cJSON_GetArraySize(servers), 4);
    assert_server(servers, 0, "{\"name\":\"mine\",\"url\":\"http://x\"}");
    assert_server(servers, 1, "{\"command\":[\"npx\",\"-y\",\"server\"],\"env\":[\"KEY=value\"],\"tools\":[\"read\","
                              "\"list\"],\"prefix\":\"files_\",\"name\":\"toolset_1\"}");
    assert_server(servers, 2, "{\"url\":\"http://127.0.0.1/mcp\",\"allow_private\":true,\"start_timeout_ms\":2500,"
                              "\"timeout_ms\":60000,\"headers\":[{\"name\":\"Authorization\",\"value\":\"Bearer t0ken\"}],"
                              "\"prefix\":\"\",\"name\":\"toolset_2\"}");
    assert_server(servers, 3, "{\"command\":[\"server\"],\"cwd\":\"/srv\",\"start_timeout_ms\":10000,\"prefix\":\"\","
                              "\"name\":\"toolset_3\"}");
    agents_free(agents);
    cJSON_Delete(config.plugins);
    report_deinit(&report);
}

static void test_without_settings(void **state)
{
    struct config config = {0};
    struct agents *agents = NULL;
    struct report report;

    (void)state;
    setenv("TOOLSET_TOKEN", "t0ken", 1);
    report_init(&report);
    assert_int_equal(agents_load(DIR "toolset", "one", &report, &agents), ANTIPHON_OK);
    assert_int_equal(mcp_toolset_join(agents, &config), ANTIPHON_OK);
    assert_int_equal(cJSON_GetArraySize(json_get(json_get(config.plugins, "mcp"), "servers")), 3);
    agents_free(agents);
    cJSON_Delete(config.plugins);
    report_deinit(&report);
}

static void test_faults(void **state)
{
    static const char *const wants[] = {
        "bad/root_agent.yaml:5:5: tools[0].args: give exactly one of stdio_server_params",
        "bad/root_agent.yaml:7:5: tools[1].args: give exactly one of stdio_server_params",
        "bad/root_agent.yaml:12:7: tools[2].args.sse_connection_params: is not supported yet; it is the old transport",
        "bad/root_agent.yaml:15:29: tools[3].args.stdio_server_params.comand: is not known; did you mean \"command\"?",
        "bad/root_agent.yaml:15:7: tools[3].args.stdio_server_params: ",
        "bad/root_agent.yaml:19:7: tools[4].args.auth_scheme: is not supported yet; write a header Authorization",
        "bad/root_agent.yaml:20:7: tools[4].args.tool_filtr: is not known; did you mean \"tool_filter\"?",
    };
    struct agents *agents = NULL;
    struct report report;

    (void)state;
    report_init(&report);
    assert_int_equal(agents_load(DIR "toolset_bad", NULL, &report, &agents), ANTIPHON_EINVAL);
    for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++)
        assert_has(&report, wants[i]);
    assert_int_equal(report.faults, sizeof(wants) / sizeof(wants[0]));
    report_deinit(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_join), cmocka_unit_test(test_without_settings),
                                       cmocka_unit_test(test_faults)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
