#include "unit.h"

#include "config/yaml.h"

#define FILE_NAME "x.yaml"

static struct yaml *parse_ok(const char *text)
{
    struct report report;
    struct yaml *yaml = NULL;

    report_init(&report);
    if (yaml_parse(FILE_NAME, text, strlen(text), &report, &yaml) != ANTIPHON_OK)
        fail_msg("%s: %s", text, buf_text(&report.text));
    assert_int_equal(report.faults, 0);
    report_deinit(&report);
    return yaml;
}

static void assert_json(const char *text, const char *want)
{
    struct yaml *yaml = parse_ok(text);
    struct buf out;

    buf_init(&out, 1 << 20);
    assert_int_equal(json_print(yaml_tree(yaml), &out), ANTIPHON_OK);
    assert_string_equal(buf_text(&out), want);
    buf_deinit(&out);
    yaml_free(yaml);
}

static void assert_refused_n(const char *text, size_t len, const char *want)
{
    struct report report;
    struct yaml *yaml = NULL;

    report_init(&report);
    assert_int_equal(yaml_parse(FILE_NAME, text, len, &report, &yaml), ANTIPHON_EINVAL);
    assert_null(yaml);
    assert_true(report.faults > 0);
    if (!strstr(buf_text(&report.text), want))
        fail_msg("\"%s\" is not in \"%s\"", want, buf_text(&report.text));
    report_deinit(&report);
}

static void assert_refused(const char *text, const char *want)
{
    assert_refused_n(text, strlen(text), want);
}

static void test_types(void **state)
{
    (void)state;
    assert_json("", "{}");
    assert_json("# nothing\n---\n...\n", "{}");
    assert_json("\xef\xbb\xbf"
                "a: 1\n",
                "{\"a\":1}");
    assert_json(
        "a: 1\nb: -2\nc: +3\nd: 0x1F\ne: 0o17\nf: 1.5\ng: 1e3\nh: .5\ni: 5.\n",
        "{\"a\":1,\"b\":-2,\"c\":3,\"d\":31,\"e\":15,\"f\":1.5,\"g\":1000,\"h\":0.5,\"i\":5}");
    assert_json("a: true\nb: False\nc: TRUE\nd: null\ne: ~\nf:\n",
                "{\"a\":true,\"b\":false,\"c\":true,\"d\":null,\"e\":null,\"f\":null}");
    /* YAML 1.1 would see booleans and an octal number. */
    assert_json(
        "a: yes\nb: off\nc: 1.2.3\nd: '1'\ne: \"true\"\nf: !!str 5\ng: 1_000\nh: 0x\n",
        "{\"a\":\"yes\",\"b\":\"off\",\"c\":\"1.2.3\",\"d\":\"1\",\"e\":\"true\",\"f\":\"5\","
        "\"g\":\"1_000\",\"h\":\"0x\"}");
    assert_json("a: |\n  one\n  two\nb: >-\n  one\n  two\nc: \"x\\ty\\u00e9\"\n",
                "{\"a\":\"one\\ntwo\\n\",\"b\":\"one two\",\"c\":\"x\\ty\xc3\xa9\"}");
    assert_json("a: [1, {b: 2}]\nc:\n  - x\n  - y: z\n",
                "{\"a\":[1,{\"b\":2}],\"c\":[\"x\",{\"y\":\"z\"}]}");
    assert_json("{\"a\": [1, null, \"x\"], \"b\": {}}", "{\"a\":[1,null,\"x\"],\"b\":{}}");
    assert_json("a: 9007199254740992\n1: x\ntrue: y\n",
                "{\"a\":9007199254740992,\"1\":\"x\",\"true\":\"y\"}");
    assert_json("a: \"100%\"\nb: |\n  %x\n", "{\"a\":\"100%\",\"b\":\"%x\\n\"}");
}

static void test_aliases(void **state)
{
    (void)state;
    assert_json(
        "a: &x {b: [1, 2]}\nc: *x\nd: &y text\ne: [*y, *x]\n",
        "{\"a\":{\"b\":[1,2]},\"c\":{\"b\":[1,2]},\"d\":\"text\",\"e\":[\"text\",{\"b\":[1,2]}]}");
    assert_json("a: &x 1\nb: &x 2\nc: *x\n", "{\"a\":1,\"b\":2,\"c\":2}");
    assert_refused("a: *x\n", "x.yaml:1:1: an alias without its anchor");
    assert_refused("a: &x\n  - *x\n", "x.yaml:2:5: an alias to a value that contains it");
    /* Nine levels of nine make 3.9e8 values. */
    assert_refused("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                   "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
                   "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
                   "the aliases of this file stand for too much");
}

static void test_alias_bytes(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, 1 << 20);
    buf_puts(&text, "a: &x \"");
    for (int i = 0; i < 300000; i++)
        buf_append(&text, "x", 1);
    buf_puts(&text, "\"\nb: [*x,*x,*x,*x]\n");
    assert_int_equal(buf_status(&text), ANTIPHON_OK);
    assert_refused(buf_text(&text), "stand for too much");
    buf_deinit(&text);
}

static void test_structure_faults(void **state)
{
    (void)state;
    assert_refused("a: 1\nb: 2\na: 3\n", "x.yaml:3:1: a: this key is there twice");
    assert_refused("a:\n  b: 1\n  b: 2\n", "x.yaml:3:3: a.b: this key is there twice");
    assert_refused("- a\n", "x.yaml:1:1: expected a mapping");
    assert_refused("text\n", "expected a mapping");
    assert_refused("? [a]\n: 1\n", "a key must be plain text");
    assert_refused("a: &x y\n*x : 1\n", "a key must be plain text");
    assert_refused("\"\": 1\n", "a key must not be empty");
    assert_refused("\"a\\0b\": 1\n", "a key must be valid UTF-8 text");
    assert_refused("a: &x {b: 1}\nc:\n  <<: *x\n", "x.yaml:3:3: merge keys");
    assert_refused("a: !!int \"5\"\n", "tags other than !!str are not supported");
    assert_refused("a: !python/object:os.system {}\n", "a tag that is not supported here");
    assert_refused("a: \"x\\0y\"\n", "text must not hold a NUL");
    assert_refused("a: .inf\n", "a number must be finite");
    assert_refused("a: 1e999\n", "a number must be finite");
    assert_refused("a: 9007199254740993000\n", "an integer beyond 2^53");
    assert_refused("a: [1, 2\nb: 3\n", "x.yaml:");
    assert_refused("a: b: c\n", "x.yaml:1:5");
    assert_refused("a:\n\tb: 1\n", "x.yaml:2:");
}

static void test_all_faults_at_once(void **state)
{
    struct report report;
    struct yaml *yaml = NULL;
    const char *text = "a: .inf\nb: 1\nb: 2\nc: [.nan]\n";

    (void)state;
    report_init(&report);
    assert_int_equal(yaml_parse(FILE_NAME, text, strlen(text), &report, &yaml), ANTIPHON_EINVAL);
    assert_int_equal(report.faults, 3);
    assert_string_equal(buf_text(&report.text), "x.yaml:1:1: a: a number must be finite\n"
                                                "x.yaml:3:1: b: this key is there twice\n"
                                                "x.yaml:4:5: c[0]: a number must be finite\n");
    report_deinit(&report);
}

static void test_bounds(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, 4 << 20);
    for (int i = 0; i < 40; i++)
        buf_puts(&text, "{a: ");
    assert_refused(buf_text(&text), "nested too deep");
    buf_reset(&text);
    buf_puts(&text, "a: [");
    for (int i = 0; i < YAML_MAX_NODES; i++)
        buf_puts(&text, "1, ");
    buf_puts(&text, "1]");
    assert_refused(buf_text(&text), "too many values");
    buf_reset(&text);
    for (int i = 0; i < YAML_MAX_KEY + 1; i++)
        buf_puts(&text, "k");
    buf_puts(&text, ": 1\n");
    assert_refused(buf_text(&text), "a key is too long");
    buf_reset(&text);
    buf_puts(&text, "a: [");
    for (int i = 0; i <= YAML_MAX_ANCHORS; i++)
        buf_printf(&text, "&a%d 1, ", i);
    buf_puts(&text, "1]");
    assert_refused(buf_text(&text), "too many anchors");
    buf_reset(&text);
    buf_puts(&text, "a: ");
    while (text.len <= YAML_MAX_BYTES)
        buf_puts(&text, "xxxxxxxxxxxxxxxx");
    assert_int_equal(buf_status(&text), ANTIPHON_OK);
    assert_refused(buf_text(&text), "larger than 1048576 bytes");
    buf_deinit(&text);
}

static void test_gate(void **state)
{
    (void)state;
    /* libfyaml 0.7.12 would never come back from this one. */
    assert_refused("...\n%\xff", "x.yaml:2:2: byte 0xff");
    assert_refused("%YAML 1.1\n---\na: 1\n", "x.yaml:1:1: YAML directives");
    assert_refused("a: 1\n...\n%TAG ! x\n", "x.yaml:3:1: YAML directives");
    assert_refused("a: 1\r%x\n", "x.yaml:2:1: YAML directives");
    assert_refused("a: 1\n---\nb: 2\n", "x.yaml:2:1: only one YAML document");
    assert_refused("---\na: 1\n---\n", "x.yaml:3:1: only one YAML document");
    assert_refused("a: 1\n...\nb: 2\n", "x.yaml:3:1: only one YAML document");
    assert_refused("a: \xc0\x80\n", "x.yaml:1:4: byte 0xc0");
    assert_refused("b: 1\na: \x01\n", "x.yaml:2:4: byte 0x01");
    assert_refused_n("a: 1\0b", 6, "x.yaml:1:5: byte 0x00");
    assert_json("--- # one\r\na: 1\r\n...\r\n# end\r\n", "{\"a\":1}");
}

static void assert_place(const struct yaml *yaml, const char *path, int line, int column)
{
    int got_line, got_column;

    yaml_place(yaml, path, &got_line, &got_column);
    if (got_line != line || got_column != column)
        fail_msg("%s: %d:%d, want %d:%d", path, got_line, got_column, line, column);
}

static void test_places(void **state)
{
    struct yaml *yaml =
        parse_ok("a: 1\n\nb:\n  c: [x, {d: 2}]\n  ee: |\n    text\nbb: &x {f: 1}\ng: *x\n");

    (void)state;
    assert_string_equal(yaml_file(yaml), FILE_NAME);
    assert_place(yaml, "", 1, 1);
    assert_place(yaml, "a", 1, 1);
    assert_place(yaml, "b", 3, 1);
    assert_place(yaml, "b.c", 4, 3);
    assert_place(yaml, "b.c[0]", 4, 7);
    assert_place(yaml, "b.c[1]", 4, 10);
    assert_place(yaml, "b.c[1].d", 4, 11);
    assert_place(yaml, "b.ee", 5, 3);
    assert_place(yaml, "bb.f", 7, 9);
    /* Not in the file: the nearest around. */
    assert_place(yaml, "b.e", 3, 1);
    assert_place(yaml, "g.f", 8, 1);
    assert_place(yaml, "zzz.y", 1, 1);
    yaml_free(yaml);
}

static void test_snake_keys(void **state)
{
    struct yaml *yaml =
        parse_ok("keepMe: 1\ngen:\n  topP: 1\n  thinkingConfig:\n    includeThoughts: true\n"
                 "  list: [{maxTokens: 1}]\n  plain_key: 2\n");
    struct report report;
    struct buf out;

    (void)state;
    report_init(&report);
    assert_int_equal(yaml_snake_keys(yaml, "gen", &report), ANTIPHON_OK);
    assert_int_equal(yaml_snake_keys(yaml, "absent", &report), ANTIPHON_OK);
    buf_init(&out, 4096);
    assert_int_equal(json_print(yaml_tree(yaml), &out), ANTIPHON_OK);
    assert_string_equal(
        buf_text(&out),
        "{\"keepMe\":1,\"gen\":{\"top_p\":1,\"thinking_config\":{\"include_thoughts\":true},"
        "\"list\":[{\"max_tokens\":1}],\"plain_key\":2}}");
    buf_deinit(&out);
    assert_place(yaml, "gen.thinking_config.include_thoughts", 5, 5);
    yaml_fault(yaml, &report, "gen.thinking_config.include_thoughts", "is %s", "wrong");
    yaml_fault(yaml, &report, "gen.list[0].max_tokens.more", "is wrong");
    assert_string_equal(buf_text(&report.text),
                        "x.yaml:5:5: gen.thinkingConfig.includeThoughts: is wrong\n"
                        "x.yaml:6:11: gen.list[0].maxTokens.more: is wrong\n");
    report_deinit(&report);
    yaml_free(yaml);

    yaml = parse_ok("gen: {topP: 1, top_p: 2}\n");
    report_init(&report);
    assert_int_equal(yaml_snake_keys(yaml, "gen", &report), ANTIPHON_OK);
    assert_int_equal(report.faults, 1);
    report_deinit(&report);
    yaml_free(yaml);
}

static void test_load(void **state)
{
    struct report report;
    struct yaml *yaml = NULL;

    (void)state;
    report_init(&report);
    assert_int_equal(yaml_load("/nonexistent/x.yaml", &report, &yaml), ANTIPHON_EINVAL);
    assert_non_null(strstr(buf_text(&report.text), "/nonexistent/x.yaml: cannot read the file"));
    assert_int_equal(yaml_load("/", &report, &yaml), ANTIPHON_EINVAL);
    assert_int_equal(report.faults, 2);
    report_deinit(&report);
}

static void test_report_bound(void **state)
{
    struct report report;
    unsigned lines = 0;

    (void)state;
    report_init(&report);
    for (int i = 0; i < REPORT_MAX_FAULTS + 50; i++)
        report_fault(&report, "f", i + 1, 0, "p", "m");
    report_warn(&report, NULL, 0, 0, "", "careful");
    for (const char *at = buf_text(&report.text); (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, REPORT_MAX_FAULTS + 1);
    assert_int_equal(report.faults, REPORT_MAX_FAULTS + 50);
    assert_int_equal(report.warnings, 1);
    assert_int_equal(strncmp(buf_text(&report.text), "f:1:1: p: m\n", 12), 0);
    assert_non_null(strstr(buf_text(&report.text), "\nwarning: careful\n"));
    report_deinit(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_alias_bytes),
        cmocka_unit_test(test_structure_faults),
        cmocka_unit_test(test_all_faults_at_once),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_gate),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_snake_keys),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_report_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
