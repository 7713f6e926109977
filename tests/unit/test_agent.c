#include "unit.h"

#include "config/agent.h"

#define DIR FIXTURES_DIR "/config/"

static struct agents *load(const char *dir, const char *default_name)
{
    struct report report;
    struct agents *agents = NULL;

    report_init(&report);
    if (agents_load(dir, default_name, &report, &agents) != ANTIPHON_OK)
        fail_msg("%s", buf_text(&report.text));
    assert_int_equal(report.faults, 0);
    report_deinit(&report);
    return agents;
}

static void assert_printed(const cJSON *tree, const char *want)
{
    struct buf out;

    buf_init(&out, 1 << 16);
    assert_int_equal(json_print(tree, &out), ANTIPHON_OK);
    assert_string_equal(buf_text(&out), want);
    buf_deinit(&out);
}

static void test_shipped(void **state)
{
    (void)state;
    unsetenv("DEMO_AGENT_MODEL");
    struct agents *agents = load(FIXTURES_DIR "/../../agents", NULL);
    const struct agent *agent = agents_default(agents);

    assert_string_equal(agent->folder, "google_search_agent");
    assert_string_equal(agent->name, "google_search_agent");
    assert_string_equal(agent->description, "Agent to answer questions using Google Search.");
    assert_string_equal(agent->instruction, "Answer the question using the Google Search tool.");
    assert_string_equal(agent->model, "gemini-3.8-live");
    assert_int_equal(agent->tools_n, 1);
    assert_string_equal(agent->tools[0].name, "google_search");
    assert_null(agent->tools[0].args);
    assert_string_equal(agent->live.provider, "gemini_live");
    assert_string_equal(agent->live.app_name, "google_search_agent");
    assert_string_equal(agent->live.modality, "auto");
    assert_true(agent->live.input_transcription && agent->live.output_transcription);
    assert_true(agent->live.resumption);
    assert_false(agent->live.show_thoughts);
    assert_int_equal(agent->live.tool_timeout_ms, 0);
    assert_printed(agent->live.settings, "{}");
    assert_null(agent->generation);
    assert_non_null(agents_find(agents, "companion"));
    assert_null(agents_find(agents, "companio"));
    agents_free(agents);

    setenv("DEMO_AGENT_MODEL", "gemini-x", 1);
    agents = load(FIXTURES_DIR "/../../agents", NULL);
    assert_string_equal(agents_default(agents)->model, "gemini-x");
    agents_free(agents);
    unsetenv("DEMO_AGENT_MODEL");
}

static void test_every_key(void **state)
{
    (void)state;
    setenv("CONFIG_TEST_ZONE", "Asia/Seoul", 1);
    struct agents *agents = load(DIR "agents", "alpha");
    const struct agent *agent = agents_default(agents);

    assert_int_equal(agents_count(agents), 2);
    assert_ptr_equal(agents_at(agents, 0), agent);
    assert_null(agents_at(agents, 2));
    assert_string_equal(agent->model, "model-a");
    assert_int_equal(agent->model_line, 2);
    assert_string_equal(agent->description, "");
    assert_int_equal(agent->tools_n, 2);
    assert_int_equal(agent->tools[1].line, 6);
    assert_printed(agent->tools[1].args, "{\"zone\":\"Asia/Seoul\"}");
    assert_printed(
        agent->generation,
        "{\"temperature\":0.5,\"topP\":0.9,\"maxOutputTokens\":512,\"thinkingConfig\":"
        "{\"includeThoughts\":true,\"thinkingBudget\":128},\"safetySettings\":[{\"category\":"
        "\"HARM_CATEGORY_HARASSMENT\",\"threshold\":\"BLOCK_ONLY_HIGH\"}]}");
    assert_string_equal(agent->live.app_name, "my-app");
    assert_string_equal(agent->live.modality, "audio");
    assert_false(agent->live.input_transcription);
    assert_true(agent->live.output_transcription);
    assert_false(agent->live.resumption);
    assert_true(agent->live.show_thoughts);
    assert_int_equal(agent->live.tool_timeout_ms, 1234);
    assert_printed(
        agent->live.settings,
        "{\"app_name\":\"my-app\",\"modality\":\"audio\",\"voice\":\"Kore\",\"language\":\"ko-KR\","
        "\"input_transcription\":false,\"resumption\":false,\"compression\":{\"trigger_tokens\":"
        "25600,"
        "\"target_tokens\":12800},\"vad\":{\"disabled\":false,\"start_sensitivity\":\"high\","
        "\"silence_duration_ms\":300},\"activity_handling\":\"no_interruption\",\"turn_coverage\":"
        "\"only_activity\",\"proactive_audio\":true,\"affective_dialog\":true,\"thinking\":{"
        "\"budget\":0,"
        "\"level\":\"low\",\"include\":true},\"media_resolution\":\"low\",\"show_thoughts\":true,"
        "\"history\":\"collapsed\",\"tool_timeout_ms\":1234,\"tools\":{\"get_time\":{"
        "\"deadline_ms\":2000,\"calls_per_turn\":3,\"calls_per_minute\":10,\"concurrency\":2,"
        "\"confirm\":\"always\"},\"*\":{\"confirm\":\"never\"}},\"setup\":{\"labels\":{\"team\":"
        "\"none\"}}}");
    const struct agent_tool_policy *policy = &agent->tools[1].policy;
    assert_int_equal(policy->deadline_ms, 2000);
    assert_int_equal(policy->calls_per_turn, 3);
    assert_int_equal(policy->calls_per_minute, 10);
    assert_int_equal(policy->concurrency, 2);
    assert_int_equal(policy->confirm, AGENT_CONFIRM_ALWAYS);
    assert_int_equal(agent->tools[0].policy.confirm, AGENT_CONFIRM_NEVER);
    assert_int_equal(agent->tools[0].policy.calls_per_turn, 0);
    const struct agent *beta = agents_find(agents, "beta");
    assert_string_equal(beta->instruction, "Hello {user:name?}.\n");
    assert_string_equal(beta->live.app_name, "beta");
    agents_free(agents);
    unsetenv("CONFIG_TEST_ZONE");
}

static void assert_has(const struct report *report, const char *want)
{
    if (!strstr(buf_text(&report->text), want))
        fail_msg("\"%s\" is not in:\n%s", want, buf_text(&report->text));
}

static void test_every_fault(void **state)
{
    static const char *const wants[] = {
        "bad/broken/root_agent.yaml:1:1: name: \"user\" is the name of the person",
        "bad/broken/root_agent.yaml:1:1: \"model\" is missing",
        "bad/broken/root_agent.yaml:2:1: modle: is not known; did you mean \"model\"?",
        "bad/broken/root_agent.yaml:3:1: instruction: the environment variable CONFIG_TEST_UNSET "
        "is not set",
        "bad/broken/root_agent.yaml:6:5: tools[1].name: the tool get_time is there twice",
        "bad/broken/root_agent.yaml:7:5: tools[2].nmae: is not known; did you mean \"name\"?",
        "bad/broken/root_agent.yaml:7:5: tools[2]: \"name\" is missing",
        "bad/broken/root_agent.yaml:8:5: tools[3].name: my_pkg.module.fn looks like Python code",
        "bad/broken/root_agent.yaml:10:3: generate_content_config.temprature: is not known; did "
        "you mean "
        "\"temperature\"?",
        "bad/broken/root_agent.yaml:11:3: generate_content_config.topP: must be a number",
        "bad/broken/root_agent.yaml:13:3: live.voise: is not known; did you mean \"voice\"?",
        "bad/broken/root_agent.yaml:14:3: live.resumption: must be true or false",
        "bad/broken/root_agent.yaml:15:3: live.modality: must be one of \"auto\", \"audio\", "
        "\"text\"",
        "bad/broken/root_agent.yaml:17:5: live.vad.silence_duration_ms: must be at least 0",
        "bad/broken/root_agent.yaml:19:5: live.tools.get_tme: is no tool of this agent; did you mean "
        "\"get_time\"?",
        "bad/broken/root_agent.yaml:21:7: live.tools.get_time.confirm: must be one of \"always\", \"never\"",
        "bad/broken/root_agent.yaml:22:7: live.tools.get_time.calls_per_turn: must be at least 1",
        "bad/broken/root_agent.yaml:23:7: live.tools.get_time.dedline_ms: is not known; did you mean "
        "\"deadline_ms\"?",
        "bad/refused/root_agent.yaml:1:1: agent_class: LoopAgent is not supported yet; only "
        "LlmAgent is",
        "bad/refused/root_agent.yaml:5:1: static_instruction: is not supported yet",
        "bad/refused/root_agent.yaml:6:1: sub_agents: is not supported yet",
        "bad/refused/root_agent.yaml:8:1: include_contents: none is not supported yet",
        "bad/refused/root_agent.yaml:9:1: output_key: is not supported yet",
        "bad/refused/root_agent.yaml:10:1: before_model_callbacks: is not supported yet",
        "bad/refused/root_agent.yaml:13:5: tools[0].name: ExampleTool is not supported yet",
        "bad/refused/root_agent.yaml:15:5: tools[1].name: AgentTool is not supported yet",
        "bad/refused/root_agent.yaml:17:3: generate_content_config.stopSequences: is not supported "
        "by live",
        "bad/refused/root_agent.yaml:18:3: generate_content_config.response_mime_type: is not "
        "supported by",
        "bad/syntax/root_agent.yaml:",
    };
    struct report report;
    struct agents *agents = NULL;
    size_t n = sizeof(wants) / sizeof(wants[0]);

    (void)state;
    unsetenv("CONFIG_TEST_UNSET");
    report_init(&report);
    assert_int_equal(agents_load(DIR "bad", NULL, &report, &agents), ANTIPHON_EINVAL);
    assert_null(agents);
    for (size_t i = 0; i < n; i++)
        assert_has(&report, wants[i]);
    /* Each once, and nothing else. */
    assert_int_equal(report.faults, n);
    report_deinit(&report);
}

static void test_default(void **state)
{
    struct report report;
    struct agents *agents = load(DIR "one", NULL);

    (void)state;
    assert_string_equal(agents_default(agents)->folder, "solo");
    agents_free(agents);
    agents = load(DIR "agents", "beta");
    assert_string_equal(agents_default(agents)->folder, "beta");
    agents_free(agents);

    report_init(&report);
    assert_int_equal(agents_load(DIR "agents", NULL, &report, &agents), ANTIPHON_EINVAL);
    assert_has(&report, "default_agent: say which agent is the default");
    assert_has(&report, "there are: alpha, beta\n");
    assert_has(&report, "python/agent.py: warning: Python agents are not supported");
    assert_int_equal(agents_load(DIR "agents", "betta", &report, &agents), ANTIPHON_EINVAL);
    assert_has(&report,
               "there is no agent \"betta\"; did you mean \"beta\"?; there are: alpha, beta\n");
    assert_int_equal(agents_load(DIR "empty", NULL, &report, &agents), ANTIPHON_EINVAL);
    assert_has(&report, "no agent: no folder in here holds a root_agent.yaml");
    assert_int_equal(agents_load(DIR "nowhere", NULL, &report, &agents), ANTIPHON_EINVAL);
    assert_has(&report, "config/nowhere: cannot read the folder of agents: No such file");
    assert_int_equal(report.faults, 4);
    report_deinit(&report);
}

static void test_no_memory(void **state)
{
    (void)state;
    unsetenv("CONFIG_TEST_ZONE");
    alloc_hook_cjson();
    for (unsigned n = 0;; n++) {
        struct report report;
        struct agents *agents = NULL;
        report_init(&report);
        alloc_fail_at(n);
        enum antiphon_status status = agents_load(DIR "agents", "alpha", &report, &agents);
        bool failed = alloc_has_failed();
        if (status == ANTIPHON_OK)
            agents_free(agents);
        else
            assert_null(agents);
        report_deinit(&report);
        if (!failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped),     cmocka_unit_test(test_every_key),
        cmocka_unit_test(test_every_fault), cmocka_unit_test(test_default),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
