#include "unit.h"

#include "config/profile.h"

static struct profiles *load(const char *overrides)
{
    cJSON *tree = overrides ? cJSON_Parse(overrides) : NULL;
    struct profiles *profiles = NULL;
    struct report report;

    assert_true(!overrides || tree);
    report_init(&report);
    if (profiles_load(tree, &report, &profiles) != ANTIPHON_OK)
        fail_msg("%s", buf_text(&report.text));
    report_deinit(&report);
    cJSON_Delete(tree); /* nothing of it is kept */
    return profiles;
}

static struct profile find(const struct profiles *profiles, const char *backend, const char *model)
{
    struct profile profile;

    profiles_find(profiles, "p", backend, model, &profile);
    return profile;
}

static void assert_field(const struct profile *profile, const char *name, const char *want)
{
    const char *got = json_get_string(profile->entry, name);

    if (want ? !got || strcmp(got, want) != 0 : got != NULL)
        fail_msg("%s is %s, want %s", name, got ? got : "absent", want ? want : "absent");
}

static void test_embedded(void **state)
{
    struct profiles *profiles = load(NULL);
    struct profile profile;

    (void)state;
    profiles_find(profiles, "gemini_live", "gemini_api", "some-model-nobody-knows", &profile);
    assert_string_equal(profile.match, "");
    assert_non_null(json_get_string(profile.entry, "text"));
    assert_non_null(json_get_string(profile.entry, "audio"));
    assert_true(profile.audio);
    profiles_find(profiles, "gemini_live", "vertex", "", &profile);
    assert_non_null(profile.entry);
    /* A provider that ships no profiles can do everything. */
    profiles_find(profiles, "nobody", "x", "y", &profile);
    assert_true(profile.text && profile.audio && profile.history);
    assert_false(profile_native(&profile, "google_search"));
    profiles_free(profiles);
}

static const char table[] =
    "[{\"provider\":\"p\",\"backend\":\"*\",\"match\":\"\",\"modalities\":[\"AUDIO\"],\"text\":"
    "\"realtime\","
    "\"audio\":\"audio\",\"history\":\"none\",\"native_tools\":[\"google_search\"],\"extra\":1},"
    "{\"provider\":\"p\",\"backend\":\"*\",\"match\":\"m-2\",\"modalities\":[\"TEXT\",\"AUDIO\"],"
    "\"history\":\"initial\",\"retired\":\"gone\"},"
    "{\"provider\":\"p\",\"backend\":\"vertex\",\"match\":\"m-2\",\"text\":\"client_content\"},"
    "{\"provider\":\"p\",\"backend\":\"api\",\"match\":\"m-3\",\"api_version\":\"v9\"},"
    "{\"provider\":\"p\",\"backend\":\"*\",\"match\":\"m-2.5\",\"retired\":null,\"native_tools\":[]"
    "},"
    "{\"provider\":\"q\",\"backend\":\"*\",\"match\":\"m-2.5\",\"text\":\"client_content\"}]";

static void test_inheritance(void **state)
{
    struct profiles *profiles = load(table);
    struct profile profile = find(profiles, "api", "other");

    (void)state;
    assert_string_equal(profile.match, "");
    assert_true(profile.audio && !profile.text && !profile.history);
    assert_true(profile_native(&profile, "google_search"));
    assert_false(profile_native(&profile, "google"));

    profile = find(profiles, "api", "m-2-flash");
    assert_string_equal(profile.match, "m-2");
    assert_true(profile.audio && profile.text && profile.history);
    assert_field(&profile, "text", "realtime");
    assert_field(&profile, "retired", "gone");
    assert_field(&profile, "backend", "api");
    assert_int_equal((int)json_get_number(profile.entry, "extra", 0), 1);

    /* What one backend adds is nothing to the others, and is kept for longer matches. */
    profile = find(profiles, "vertex", "m-2");
    assert_field(&profile, "text", "client_content");
    profile = find(profiles, "vertex", "m-2.5-x");
    assert_string_equal(profile.match, "m-2.5");
    assert_field(&profile, "text", "client_content");
    assert_field(&profile, "retired", NULL);
    assert_field(&profile, "history", "initial");
    assert_false(profile_native(&profile, "google_search"));

    profile = find(profiles, "api", "m-3");
    assert_field(&profile, "api_version", "v9");
    profile = find(profiles, "vertex", "m-3");
    assert_string_equal(profile.match, "");
    assert_field(&profile, "api_version", NULL);
    profile = find(profiles, "unheard", "m-2.5");
    assert_string_equal(profile.match, "m-2.5");
    profiles_free(profiles);
}

static void test_override_of_embedded(void **state)
{
    struct profiles *profiles =
        load("[{\"provider\":\"gemini_live\",\"backend\":\"*\",\"match\":\"\","
             "\"audio\":\"media_chunks\"}]");
    struct profile profile;

    (void)state;
    profiles_find(profiles, "gemini_live", "gemini_api", "some-model-nobody-knows", &profile);
    assert_field(&profile, "audio", "media_chunks");
    assert_non_null(json_get_string(profile.entry, "text"));
    profiles_free(profiles);
}

static void test_faults(void **state)
{
    cJSON *tree =
        cJSON_Parse("[1,{},{\"provider\":\"p\",\"backend\":\"*\",\"match\":\"\",\"text\":\"real\","
                    "\"modalities\":[\"VIDEO\"],\"forbid\":\"x\",\"match\":\"\"}]");
    struct profiles *profiles = NULL;
    struct report report;

    (void)state;
    report_init(&report);
    assert_int_equal(profiles_load(tree, &report, &profiles), ANTIPHON_EINVAL);
    assert_null(profiles);
    assert_string_equal(buf_text(&report.text),
                        "models[0]: must be an object\n"
                        "models[1].provider: must be a text; it is required\n"
                        "models[1].backend: must be a text; it is required\n"
                        "models[1].match: must be a text; it is required\n"
                        "models[2].modalities: must be a list of texts, of: TEXT AUDIO \n"
                        "models[2].text: must be a text, of: client_content realtime \n"
                        "models[2].forbid: must be a list of texts\n");
    report_deinit(&report);
    cJSON_Delete(tree);
}

static void test_no_memory(void **state)
{
    (void)state;
    alloc_hook_cjson();
    for (unsigned n = 0;; n++) {
        cJSON *tree = cJSON_Parse(table);
        struct profiles *profiles = NULL;
        struct report report;
        report_init(&report);
        alloc_fail_at(n);
        enum antiphon_status status = profiles_load(tree, &report, &profiles);
        bool failed = alloc_has_failed();
        assert_true(failed ? status == ANTIPHON_ENOMEM || status == ANTIPHON_OK
                           : status == ANTIPHON_OK);
        profiles_free(profiles);
        report_deinit(&report);
        cJSON_Delete(tree);
        if (!failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_embedded),
        cmocka_unit_test(test_inheritance),
        cmocka_unit_test(test_override_of_embedded),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
