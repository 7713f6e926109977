/* One file a model and backend in tests/fixtures/gemini: a run, and every message it leads to. The
 * profile is that of schema/models.json, so a change of the data shows here. GEMINI_GOLDEN_WRITE=1
 * writes what is sent today; look at the difference before keeping it. */
#include "support.h"

#include <dirent.h>

#include "backend.h"
#include "encode.h"
#include "history.h"
#include "setup.h"

static const cJSON *get(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static cJSON *parsed(const char *json)
{
    cJSON *tree = json ? cJSON_Parse(json) : cJSON_CreateNull();
    assert_non_null(tree);
    return tree;
}

/* The run that the host would make of the file's `run`. */
static cJSON *run_of(const cJSON *golden)
{
    const char *model = cJSON_GetStringValue(get(golden, "model"));
    cJSON *run = cJSON_Duplicate(get(golden, "run"), true);
    cJSON_AddStringToObject(run, "model", model);
    cJSON_AddItemToObject(run, "profile",
                          profile_of(cJSON_GetStringValue(get(golden, "backend")), model));
    return run;
}

static cJSON *setup_of(const cJSON *golden, const cJSON *run)
{
    static const char developer[] = "{\"api_key\":\"k\"}",
                      vertex[] =
                          "{\"vertex\":\"true\",\"project\":\"p\",\"location\":\"us-central1\"}";
    bool cloud = strcmp(cJSON_GetStringValue(get(golden, "backend")), "vertex") == 0;
    cJSON *config = parsed(cloud ? vertex : developer);
    struct backend backend;
    struct text resource = {0};
    char why[128] = "", *message = NULL;
    assert_int_equal(backend_init(&backend, config, why, sizeof why), ANTIPHON_OK);
    backend_model(&backend, NULL, cJSON_GetStringValue(get(run, "model")), &resource);
    if (setup_message(run, resource.data, &message, why, sizeof why) != ANTIPHON_OK)
        fail_msg("%s", why);
    cJSON *tree = parsed(message);
    free(message);
    text_free(&resource);
    backend_deinit(&backend);
    cJSON_Delete(config);
    return tree;
}

static cJSON *history_of(const cJSON *run)
{
    char *message = NULL;
    assert_int_equal(history_message(run, &message), ANTIPHON_OK);
    cJSON *tree = parsed(message);
    free(message);
    return tree;
}

static cJSON *event_of(const cJSON *run, struct antiphon_event event, const char *data)
{
    struct encode_style style = encode_style_of(get(run, "profile"));
    struct encode_message message;
    struct text out = {0};
    event.struct_size = sizeof event;
    event.data = data;
    event.len = strlen(data);
    assert_int_equal(encode_event(&style, &event, &message), ANTIPHON_OK);
    for (size_t i = 0; i < message.n; i++)
        text_add(&out, message.parts[i].data, message.parts[i].len);
    encode_free(&message);
    cJSON *tree = parsed(out.data);
    text_free(&out);
    return tree;
}

static cJSON *messages_of(const cJSON *golden)
{
    static const char results[] =
        "[{\"id\":\"function-call-1\",\"name\":\"get_time\",\"response\":{\"time\":"
        "\"12:34\"},\"scheduling\":\"WHEN_IDLE\"},"
        "{\"id\":null,\"name\":\"plain\",\"response\":\"x\"}]";
    cJSON *run = run_of(golden), *out = cJSON_CreateObject();
    cJSON_AddItemToObject(out, "setup", setup_of(golden, run));
    cJSON_AddItemToObject(out, "history", history_of(run));
    cJSON_AddItemToObject(
        out, "text",
        event_of(run, (struct antiphon_event){.type = ANTIPHON_EV_TEXT}, "h\xc3\xa9 \"x\""));
    cJSON_AddItemToObject(out, "audio",
                          event_of(run,
                                   (struct antiphon_event){.type = ANTIPHON_EV_AUDIO,
                                                           .sample_rate = 16000,
                                                           .encoding = ANTIPHON_BASE64},
                                   "AAAA/w=="));
    cJSON_AddItemToObject(out, "image",
                          event_of(run,
                                   (struct antiphon_event){.type = ANTIPHON_EV_IMAGE,
                                                           .name = "image/jpeg",
                                                           .encoding = ANTIPHON_RAW},
                                   "\xff\xd8\xff"));
    cJSON_AddItemToObject(
        out, "tools",
        event_of(run, (struct antiphon_event){.type = ANTIPHON_EV_TOOL_RESULTS}, results));
    cJSON_Delete(run);
    return out;
}

static void write_golden(const char *path, cJSON *golden, cJSON *messages)
{
    FILE *file = fopen(path, "we");
    cJSON_DeleteItemFromObject(golden, "messages");
    cJSON_AddItemToObject(golden, "messages", cJSON_Duplicate(messages, true));
    char *text = cJSON_Print(golden);
    assert_non_null(file);
    fprintf(file, "%s\n", text);
    fclose(file);
    free(text);
}

static void check_file(const char *path)
{
    char *text = read_file(path);
    cJSON *golden = parsed(text), *messages = messages_of(golden), *message;
    if (getenv("GEMINI_GOLDEN_WRITE"))
        write_golden(path, golden, messages);
    assert_int_equal(cJSON_GetArraySize(get(golden, "messages")), cJSON_GetArraySize(messages));
    cJSON_ArrayForEach (message, messages) {
        const cJSON *wanted = get(get(golden, "messages"), message->string);
        char *got = cJSON_PrintUnformatted(message), *want = cJSON_PrintUnformatted(wanted);
        char what[600];
        snprintf(what, sizeof what, "%s: %s", path, message->string);
        assert_same_json(got, want, what);
        free(got);
        free(want);
    }
    cJSON_Delete(golden);
    cJSON_Delete(messages);
    free(text);
}

static void test_golden(void **unused)
{
    DIR *dir = opendir(FIXTURES_DIR "/gemini");
    struct dirent *entry;
    unsigned n = 0;
    (void)unused;
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        char path[512];
        size_t len = strlen(entry->d_name);
        if (len < 5 || strcmp(entry->d_name + len - 5, ".json") != 0)
            continue;
        snprintf(path, sizeof path, FIXTURES_DIR "/gemini/%s", entry->d_name);
        check_file(path);
        n++;
    }
    closedir(dir);
    assert_true(n >= 20);
}

/* Every entry of the data is met by a file: nothing in it is untested. */
static void test_every_profile_has_a_file(void **unused)
{
    char *text = read_file(MODELS_JSON);
    cJSON *all = parsed(text);
    const cJSON *entry;
    (void)unused;
    cJSON_ArrayForEach (entry, all) {
        const char *match = cJSON_GetStringValue(get(entry, "match"));
        const char *on = cJSON_GetStringValue(get(entry, "backend"));
        DIR *dir = opendir(FIXTURES_DIR "/gemini");
        struct dirent *file;
        bool met = false;
        while (!met && (file = readdir(dir))) {
            if (file->d_name[0] == '.')
                continue;
            char path[512];
            snprintf(path, sizeof path, FIXTURES_DIR "/gemini/%s", file->d_name);
            char *content = read_file(path);
            cJSON *golden = parsed(content);
            met = strncmp(cJSON_GetStringValue(get(golden, "model")), match, strlen(match)) == 0 &&
                  (strcmp(on, "*") == 0 ||
                   strcmp(on, cJSON_GetStringValue(get(golden, "backend"))) == 0);
            cJSON_Delete(golden);
            free(content);
        }
        closedir(dir);
        if (!met)
            fail_msg("no golden file for %s on %s", match, on);
    }
    cJSON_Delete(all);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_every_profile_has_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
