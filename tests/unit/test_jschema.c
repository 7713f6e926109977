#include "unit.h"

#include <stdio.h>

#include "base/jschema.h"

static struct buf reports;

static void note(void *ctx, const char *path, const char *message)
{
    buf_printf(ctx, "[%s] %s\n", path, message);
}

static struct jschema *compile(const char *text)
{
    struct jschema *schema = NULL;
    struct err err = {0};

    if (jschema_new("test", text, &schema, &err))
        fail_msg("%s: %s", text, err.text);
    return schema;
}

/* value against schema: want are the reports, after is what the value became. */
static void check(const char *schema_text, unsigned flags, const char *value_text, const char *want,
                  const char *after)
{
    struct jschema *schema = compile(schema_text);
    cJSON *value = NULL;
    struct buf printed;

    buf_init(&reports, 1 << 16);
    buf_init(&printed, 1 << 16);
    assert_int_equal(json_parse(value_text, strlen(value_text), NULL, &value, NULL), ANTIPHON_OK);
    assert_int_equal(jschema_check(schema, value, flags, note, &reports),
                     want[0] ? ANTIPHON_EINVAL : ANTIPHON_OK);
    assert_string_equal(buf_text(&reports), want);
    assert_int_equal(json_print(value, &printed), ANTIPHON_OK);
    if (after)
        assert_string_equal(buf_text(&printed), after);
    cJSON_Delete(value);
    buf_deinit(&printed);
    buf_deinit(&reports);
    jschema_free(schema);
}

static void valid(const char *schema, const char *value)
{
    check(schema, 0, value, "", value);
}

static void invalid(const char *schema, const char *value, const char *want)
{
    check(schema, 0, value, want, value);
}

static void test_types(void **state)
{
    static const char *const names[] = {"string", "number", "boolean", "array", "object", "null"};
    static const char *const values[] = {"\"x\"", "1.5", "true", "[]", "{}", "null"};
    static const char *const texts[] = {"a string", "a number",  "true or false",
                                        "a list",   "an object", "null"};
    char schema[100], want[100];

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        snprintf(schema, sizeof(schema), "{\"type\":\"%s\"}", names[i]);
        snprintf(want, sizeof(want), "[] must be %s\n", texts[i]);
        for (unsigned j = 0; j < 6; j++) {
            if (i == j)
                valid(schema, values[j]);
            else
                invalid(schema, values[j], want);
        }
    }
    valid("{\"type\":\"integer\"}", "3");
    valid("{\"type\":\"number\"}", "3");
    invalid("{\"type\":\"integer\"}", "3.5", "[] must be a whole number\n");
    valid("{\"type\":[\"string\",\"null\"]}", "null");
    invalid("{\"type\":[\"string\",\"null\"]}", "1", "[] must be a string or null\n");
    valid("{\"type\":\"STRING\",\"nullable\":true}", "null");
    invalid("{\"type\":\"STRING\",\"nullable\":true}", "{}", "[] must be a string or null\n");
    valid("{}", "[1,{\"a\":null}]");
}

static void test_choice(void **state)
{
    const char *voices = "{\"enum\":[\"Puck\",\"Kore\",\"Aoede\",3,null]}";

    (void)state;
    valid(voices, "\"Kore\"");
    valid(voices, "3");
    valid(voices, "null");
    invalid(voices, "\"kore\"",
            "[] must be one of \"Puck\", \"Kore\", \"Aoede\", 3, null; did you mean \"Kore\"?\n");
    invalid(voices, "\"Zephyr\"", "[] must be one of \"Puck\", \"Kore\", \"Aoede\", 3, null\n");
    invalid(voices, "true", "[] must be one of \"Puck\", \"Kore\", \"Aoede\", 3, null\n");
    /* A long list is cut between two of its values. */
    char schema[1000] = "{\"enum\":[", want[1000] = "[] must be one of ";
    for (unsigned i = 0; i < 90; i++) {
        char word[16];
        snprintf(word, sizeof(word), "%s\"w%02u\"", i ? "," : "", i);
        strncat(schema, word, sizeof(schema) - strlen(schema) - 1);
        snprintf(word, sizeof(word), "%s\"w%02u\"", i ? ", " : "", i);
        strncat(want, i < 28 ? word : "", sizeof(want) - strlen(want) - 1);
    }
    strncat(schema, "]}", 3);
    strncat(want, ", ...; did you mean \"w80\"?\n", 40);
    invalid(schema, "\"w8x\"", want);
    valid("{\"const\":1}", "1");
    valid("{\"const\":false}", "false");
    invalid("{\"const\":false}", "true", "[] must be false\n");
    invalid("{\"const\":1}", "\"1\"", "[] must be 1\n");
}

static void test_ranges(void **state)
{
    const char *range = "{\"minimum\":-1,\"maximum\":2.5}";
    const char *text = "{\"minLength\":2,\"maxLength\":3}";
    const char *items = "{\"minItems\":1,\"maxItems\":2}";

    (void)state;
    valid(range, "-1");
    valid(range, "2.5");
    valid(range, "\"text is no number\"");
    invalid(range, "-1.5", "[] must be at least -1\n");
    invalid(range, "2.6", "[] must be at most 2.5\n");
    valid(text, "\"ab\"");
    valid(text, "\"\xED\x95\x9C\xED\x95\x9C\xED\x95\x9C\""); /* three characters, nine bytes */
    invalid(text, "\"\xED\x95\x9C\"", "[] must have at least 2 characters\n");
    invalid(text, "\"abcd\"", "[] must have at most 3 characters\n");
    valid(items, "[[],[]]");
    invalid(items, "[]", "[] must have at least 1 items\n");
    invalid(items, "[1,2,3]", "[] must have at most 2 items\n");
}

static void test_pattern(void **state)
{
    (void)state;
    valid("{\"pattern\":\"^[a-z_]+$\"}", "\"get_time\"");
    invalid("{\"pattern\":\"^[a-z_]+$\"}", "\"Get\"", "[] must match ^[a-z_]+$\n");
    valid("{\"pattern\":\"b\"}", "\"abc\"");
    valid("{\"pattern\":\"^(a|b){1,3}$\"}", "\"aba\"");
    invalid("{\"pattern\":\"^(a|b){1,3}$\"}", "\"abab\"", "[] must match ^(a|b){1,3}$\n");
    check("{\"properties\":{\"a\":{\"pattern\":\"x\"},\"b\":{\"pattern\":\"y\"}}}", 0,
          "{\"a\":\"y\",\"b\":\"x\"}", "[a] must match x\n[b] must match y\n", NULL);
}

static void test_objects(void **state)
{
    struct jschema *schema = compile("{\"title\":\"t\"}");
    const char *open = "{\"type\":\"object\",\"properties\":{\"live\":{\"properties\":{\"voice\":{"
                       "\"type\":\"string\"}},\"additionalProperties\":false},\"items\":{\"items\":"
                       "{\"properties\":{\"x\":{\"type\":\"integer\"}}}}},\"required\":[\"live\"]}";

    (void)state;
    valid(open, "{\"live\":{\"voice\":\"a\"},\"more\":1}");
    invalid(open, "{}", "[] \"live\" is missing\n");
    invalid(open, "{\"live\":{\"voice\":1}}", "[live.voice] must be a string\n");
    invalid(open, "{\"live\":{\"vocie\":\"a\"}}",
            "[live.vocie] is not known; did you mean \"voice\"?\n");
    invalid(open, "{\"live\":{\"zebra\":\"a\"}}", "[live.zebra] is not known\n");
    invalid(open, "{\"live\":{},\"items\":[{},{\"x\":1},{\"x\":\"1\"}]}",
            "[items[2].x] must be a whole number\n");
    invalid(open, "{\"live\":{\"voice\":\"a\",\"voice\":\"b\"}}", "[live.voice] is given twice\n");
    valid(open, "{\"live\":{},\"Live\":1}");
    assert_string_equal(json_get_string(jschema_tree(schema), "title"), "t");
    jschema_free(schema);
    jschema_free(NULL);
}

static void test_any_of(void **state)
{
    const char *schema =
        "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
        "\"integer\",\"default\":1},\"b\":{}},\"required\":[\"b\"],\"additionalProperties\":false}]"
        "}";

    (void)state;
    valid(schema, "\"x\"");
    invalid(schema, "1", "[] fits none of its 2 allowed forms\n");
    check(schema, 0, "{\"a\":\"x\"}", "[] \"b\" is missing\n[a] must be a whole number\n", NULL);
}

static void test_drop_unknown(void **state)
{
    const unsigned drop = JSCHEMA_DROP_UNKNOWN;
    const char *named = "{\"properties\":{\"a\":{\"properties\":{\"b\":{}}}}}";

    (void)state;
    check(named, drop, "{\"x\":1,\"a\":{\"b\":1,\"y\":2},\"z\":3}", "", "{\"a\":{\"b\":1}}");
    check(named, 0, "{\"x\":1,\"a\":{}}", "", "{\"x\":1,\"a\":{}}");
    check("{\"properties\":{},\"required\":[\"x\"]}", drop, "{\"x\":1,\"y\":2}", "", "{\"x\":1}");
    check("{\"type\":\"object\"}", drop, "{\"x\":1}", "", "{\"x\":1}");
    check("{\"additionalProperties\":false}", drop, "{\"x\":1}", "", "{}");
    check("{\"properties\":{},\"additionalProperties\":true}", drop, "{\"x\":1}", "", "{\"x\":1}");
    /* What an alternative does not name may be named by the schema around it. */
    check("{\"properties\":{\"a\":{},\"b\":{}},\"anyOf\":[{\"properties\":{\"a\":{\"const\":1}}},"
          "{\"properties\":{\"a\":{\"const\":2}}}]}",
          drop, "{\"a\":2,\"b\":3,\"c\":4}", "", "{\"a\":2,\"b\":3}");
}

static void test_fill_defaults(void **state)
{
    const unsigned fill = JSCHEMA_FILL_DEFAULTS;
    const char *schema = "{\"properties\":{\"a\":{\"default\":1},\"o\":{\"default\":{},"
                         "\"properties\":{\"x\":{\"type\":\"string\",\"default\":\"y\"}}},\"n\":{"
                         "}},\"required\":[\"a\"]}";

    (void)state;
    check(schema, fill, "{}", "", "{\"a\":1,\"o\":{\"x\":\"y\"}}");
    check(schema, fill, "{\"a\":null,\"o\":{\"x\":\"z\"}}", "", "{\"a\":null,\"o\":{\"x\":\"z\"}}");
    check(schema, 0, "{}", "[] \"a\" is missing\n", "{}");
    check("{\"anyOf\":[{\"type\":\"string\"},{\"properties\":{\"k\":{\"default\":2}}}]}", fill,
          "{}", "", "{\"k\":2}");
}

static void refused(const char *text, const char *why)
{
    struct jschema *schema = NULL;
    struct err err = {0};

    if (jschema_new("tool x", text, &schema, &err) != ANTIPHON_EINVAL)
        fail_msg("%s was taken", text);
    assert_null(schema);
    assert_memory_equal(err.text, "tool x: schema", 14);
    if (!strstr(err.text, why))
        fail_msg("%s: \"%s\" is not in \"%s\"", text, why, err.text);
}

static void test_refused_schemas(void **state)
{
    (void)state;
    refused("{", "invalid JSON at byte 1");
    refused("[]", "must be a schema");
    refused("true", "must be a schema");
    refused("{\"type\":\"text\"}", "schema: type: must be string");
    refused("{\"type\":[]}", "type: must be");
    refused("{\"type\":[\"string\",1]}", "type: must be");
    refused("{\"properties\":{\"a\":{\"oneOf\":[]}}}",
            "properties.a.oneOf: unknown or unsupported");
    refused("{\"properties\":{\"a\":true}}", "properties.a: must be a schema");
    refused("{\"properties\":{\"a\":{},\"a\":{}}}", "properties.a: is given twice");
    refused("{\"type\":\"string\",\"type\":\"null\"}", "type: is given twice");
    refused("{\"$ref\":\"#\"}", "$ref: unknown");
    refused("{\"required\":[1]}", "required: must be an array of strings");
    refused("{\"additionalProperties\":{}}", "additionalProperties: must be true or false");
    refused("{\"items\":[]}", "items: must be a schema");
    refused("{\"items\":{\"items\":{\"minimum\":\"1\"}}}", "items.items.minimum: must be a number");
    refused("{\"minLength\":-1}", "minLength: must be a whole");
    refused("{\"maxItems\":1.5}", "maxItems: must be a whole");
    refused("{\"enum\":[]}", "enum: must be an array");
    refused("{\"enum\":[[]]}", "enum: must be an array");
    refused("{\"const\":{}}", "const: must be");
    refused("{\"anyOf\":[{},{\"x\":1}]}", "anyOf[1].x: unknown");
    refused("{\"anyOf\":{}}", "anyOf: must be an array of schemas");
    refused("{\"required\":[\"b\"],\"additionalProperties\":false}", "required.b: is not");
    jschema_free(compile("{\"anyOf\":[{\"required\":[\"b\"]}]}"));
    refused("{\"description\":1}", "description: must be a string");
    refused("{\"properties\":[]}", "properties: must be an object");
    refused("{\"nullable\":1}", "nullable: must be true or false");
    refused("{\"x-env\":\"HOME\"}", "x-env: must be an array of strings");
    refused("{\"type\":\"string\",\"default\":3}", "default: does not fit");
    refused("{\"properties\":{\"a\":{\"default\":[1],\"items\":{\"enum\":[2]}}}}",
            "properties.a.default: does not fit");
}

static void test_refused_patterns(void **state)
{
    (void)state;
    refused("{\"pattern\":1}", "pattern: must be a string");
    char text[400] = "{\"pattern\":\"";
    memset(text + strlen(text), 'a', 300);
    strncat(text, "\"}", 3);
    refused(text, "pattern: is too long");
    refused("{\"pattern\":\"(a\"}", "pattern: Unmatched");
    refused("{\"pattern\":\"[a\"}", "pattern: ");
    refused("{\"pattern\":\"\\\\d+\"}", "write [0-9]");
    refused("{\"pattern\":\"[\\\\w]\"}", "backslash inside []");
    refused("{\"pattern\":\"(?:a)\"}", "(?");
    refused("{\"pattern\":\"(a)\\\\1\"}", "escape");
    refused("{\"pattern\":\"((a{1,50}){1,50}){1,50}\"}", "repeats too often");
    refused("{\"pattern\":\"a{,30000}\"}", "repeats too often");
    refused("{\"pattern\":\"a++++++++++++++++++\"}", "repeats too often");
    refused("{\"pattern\":\"((((((((((a+)+)+)+)+)+)+)+)+)+)+\"}", "repeats too often");
    refused("{\"pattern\":\"(a?b?c?d?e?f?){200}\"}", "repeats too often");
    valid("{\"pattern\":\"^([]{30000}.]|[[:alpha:]{]|\\\\{x)$\"}", "\"]\"");
}

static void test_reports_are_bounded(void **state)
{
    struct jschema *schema = compile("{\"items\":{\"type\":\"string\"}}");
    cJSON *value = cJSON_CreateArray();
    unsigned lines = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        cJSON_AddItemToArray(value, cJSON_CreateNumber(i));
    buf_init(&reports, 1 << 16);
    assert_int_equal(jschema_check(schema, value, 0, note, &reports), ANTIPHON_EINVAL);
    for (const char *at = buf_text(&reports); (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, JSCHEMA_MAX_REPORTS);
    assert_int_equal(jschema_check(schema, value, 0, NULL, NULL), ANTIPHON_EINVAL);
    buf_deinit(&reports);
    cJSON_Delete(value);
    jschema_free(schema);
}

static void test_long_paths_are_cut(void **state)
{
    char value[1200];
    size_t n = 0;

    (void)state;
    /* Thirty members of thirty bytes each, one in the other. */
    for (unsigned i = 0; i < 30; i++)
        n += (size_t)snprintf(value + n, sizeof(value) - n, "{\"abcdefghijabcdefghijabcdefghij\":");
    memset(value + n, '}', 30);
    memmove(value + n + 1, value + n, 30);
    value[n] = '1';
    value[n + 31] = '\0';
    char schema[2400];
    n = 0;
    for (unsigned i = 0; i < 30; i++)
        n += (size_t)snprintf(schema + n, sizeof(schema) - n,
                              "{\"properties\":{\"abcdefghijabcdefghijabcdefghij\":");
    n += (size_t)snprintf(schema + n, sizeof(schema) - n, "{\"type\":\"string\"}");
    memset(schema + n, '}', 60);
    schema[n + 60] = '\0';
    struct jschema *compiled = compile(schema);
    cJSON *tree = NULL;
    assert_int_equal(json_parse(value, strlen(value), NULL, &tree, NULL), ANTIPHON_OK);
    buf_init(&reports, 1 << 16);
    assert_int_equal(jschema_check(compiled, tree, 0, note, &reports), ANTIPHON_EINVAL);
    assert_true(reports.len > 200 && reports.len < 300);
    assert_non_null(strstr(buf_text(&reports), "] must be a string\n"));
    buf_deinit(&reports);
    cJSON_Delete(tree);
    jschema_free(compiled);
}

static void test_nearest(void **state)
{
    static const char *const words[] = {"voice", "language", "model", "mime_type"};

    (void)state;
    assert_string_equal(jschema_nearest("vioce", words, 4), "voice");
    assert_string_equal(jschema_nearest("Voice", words, 4), "voice");
    assert_string_equal(jschema_nearest("mimeType", words, 4), "mime_type");
    assert_string_equal(jschema_nearest("modell", words, 4), "model");
    assert_string_equal(jschema_nearest("langage", words, 4), "language");
    assert_string_equal(jschema_nearest("model", words, 4), "model");
    assert_null(jschema_nearest("zebra", words, 4));
    assert_null(jschema_nearest("vo", words, 4));
    assert_null(jschema_nearest("", words, 4));
    assert_null(jschema_nearest("voice", words, 0));
    char longer[200];
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_null(jschema_nearest(longer, words, 4));
    longer[64] = '\0';
    const char *const same[] = {longer};
    assert_ptr_equal(jschema_nearest(longer, same, 1), longer);
}

static void test_without_memory(void **state)
{
    const char *text = "{\"properties\":{\"a\":{\"pattern\":\"x\",\"default\":\"x\"}}}";
    struct jschema *schema = NULL;
    enum antiphon_status status;
    cJSON *value;

    (void)state;
    alloc_hook_cjson();
    for (unsigned n = 0;; n++) {
        alloc_fail_at(n);
        status = jschema_new("test", text, &schema, NULL);
        if (!alloc_has_failed())
            break;
        assert_int_equal(status, ANTIPHON_ENOMEM);
        assert_null(schema);
    }
    assert_int_equal(status, ANTIPHON_OK);
    for (unsigned n = 0;; n++) {
        value = cJSON_CreateObject();
        assert_non_null(value);
        alloc_fail_at(n);
        status = jschema_check(schema, value, JSCHEMA_FILL_DEFAULTS, NULL, NULL);
        bool failed = alloc_has_failed();
        cJSON_Delete(value);
        if (!failed)
            break;
        assert_int_equal(status, ANTIPHON_ENOMEM);
    }
    assert_int_equal(status, ANTIPHON_OK);
    jschema_free(schema);
    cJSON_InitHooks(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_pattern),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_any_of),
        cmocka_unit_test(test_drop_unknown),
        cmocka_unit_test(test_fill_defaults),
        cmocka_unit_test(test_refused_schemas),
        cmocka_unit_test(test_refused_patterns),
        cmocka_unit_test(test_reports_are_bounded),
        cmocka_unit_test(test_long_paths_are_cut),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
