#include "unit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/embed.h"
#include "base/json.h"
#include "config/agent.h"
#include "config/config.h"
#include "config/file.h"
#include "net/shard.h"

#define DOCS FIXTURES_DIR "/../../docs/"

static char *read_text(const char *path)
{
    char *text = NULL;
    size_t len;
    struct err err;

    if (file_read(path, 1 << 20, &text, &len, &err) != ANTIPHON_OK)
        fail_msg("%s: %s", path, err.text);
    return text;
}

static cJSON *read_schema(const char *name)
{
    const struct embed *file = embed_find(name);

    assert_non_null(file);
    cJSON *tree = cJSON_Parse(file->data);
    assert_non_null(tree);
    return tree;
}

/* `key`, or the end of `section.key`. */
static bool is_told(const char *text, const char *key)
{
    char quoted[160], dotted[160], section[160];

    snprintf(quoted, sizeof(quoted), "`%s`", key);
    snprintf(dotted, sizeof(dotted), ".%s`", key);
    snprintf(section, sizeof(section), "`%s.", key);
    return strstr(text, quoted) || strstr(text, dotted) || strstr(text, section);
}

static void check_told(const cJSON *schema, const char *text)
{
    const cJSON *one;

    cJSON_ArrayForEach (one, json_get(schema, "properties")) {
        if (!is_told(text, one->string))
            fail_msg("\"%s\" is not in the manual", one->string);
        if (!json_get_string(one, "description"))
            fail_msg("\"%s\" has no description", one->string);
        check_told(one, text);
        check_told(json_get(one, "items"), text);
        const cJSON *form;
        cJSON_ArrayForEach (form, json_get(one, "anyOf"))
            check_told(form, text);
    }
}

static void test_every_key_is_told(void **state)
{
    static const char *const pairs[][2] = {{"agent.schema.json", DOCS "agents.md"},
                                           {"tool_policy.schema.json", DOCS "agents.md"},
                                           {"config.schema.json", DOCS "configuration.md"}};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        cJSON *schema = read_schema(pairs[i][0]);
        char *text = read_text(pairs[i][1]);
        check_told(schema, text);
        free(text);
        cJSON_Delete(schema);
    }
}

/* The defaults of the schema, as the manual's table of settings has them: | `key` | `default` | */
static void check_defaults(const cJSON *schema, const char *section, const char *text)
{
    const cJSON *one;

    cJSON_ArrayForEach (one, json_get(schema, "properties")) {
        const cJSON *fallback = json_get(one, "default");
        char want[256];
        if (cJSON_IsObject(fallback) && json_get(one, "properties")) {
            check_defaults(one, one->string, text);
            continue;
        }
        if (!cJSON_IsString(fallback) && !cJSON_IsNumber(fallback) && !cJSON_IsBool(fallback))
            continue;
        char *value = cJSON_IsString(fallback) ? strdup(fallback->valuestring)
                                               : cJSON_PrintUnformatted(fallback);
        snprintf(want, sizeof(want), "| `%s%s%s` | `%s` |", section, *section ? "." : "",
                 one->string, value);
        if (!strstr(text, want))
            fail_msg("\"%s\" is not in the manual", want);
        free(value);
    }
}

static void test_defaults_are_told(void **state)
{
    cJSON *schema = read_schema("config.schema.json");
    char *text = read_text(DOCS "configuration.md");

    (void)state;
    check_defaults(schema, "", text);
    assert_int_equal(
        (int)json_get_number(json_get(json_get(schema, "properties"), "shards"), "maximum", 0),
        SHARD_MAX);
    free(text);
    cJSON_Delete(schema);
}

static void write_file(const char *path, const char *text, size_t len)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* Calls each for every fenced YAML block; answers how many there are. */
static unsigned each_block(const char *text, void (*each)(const char *block, size_t len))
{
    static const char open[] = "\n```yaml\n";
    unsigned n = 0;

    while ((text = strstr(text, open))) {
        text += sizeof(open) - 1;
        const char *end = strstr(text, "\n```");
        assert_non_null(end);
        each(text, (size_t)(end + 1 - text));
        text = end;
        n++;
    }
    return n;
}

static void load_agent(const char *block, size_t len)
{
    struct report report;
    struct agents *agents = NULL;

    assert_int_equal(mkdir("one", 0700), 0);
    write_file("one/root_agent.yaml", block, len);
    report_init(&report);
    if (agents_load(".", NULL, &report, &agents) != ANTIPHON_OK)
        fail_msg("%s", buf_text(&report.text));
    agents_free(agents);
    report_deinit(&report);
    unlink("one/root_agent.yaml");
    rmdir("one");
}

static void load_config(const char *block, size_t len)
{
    static const struct config_flags flags = {.port = -1, .shards = -1};
    struct report report;
    struct config *config = NULL;

    write_file("antiphon.yaml", block, len);
    report_init(&report);
    if (config_load(&flags, &report, &config) != ANTIPHON_OK)
        fail_msg("%s", buf_text(&report.text));
    config_free(config);
    report_deinit(&report);
    unlink("antiphon.yaml");
}

static void test_examples(void **state)
{
    char folder[] = "/tmp/test_config_docs.XXXXXX";
    char *agents = read_text(DOCS "agents.md"), *settings = read_text(DOCS "configuration.md");

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(each_block(agents, load_agent), 3);
    assert_int_equal(each_block(settings, load_config), 2);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0);
    free(agents);
    free(settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_is_told),
        cmocka_unit_test(test_defaults_are_told),
        cmocka_unit_test(test_examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
