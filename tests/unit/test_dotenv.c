#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "config/dotenv.h"

static void collect(void *ctx, const char *name, const char *value)
{
    buf_printf(ctx, "%s=<%s>\n", name, value);
}

static void assert_parses(const char *text, const char *want)
{
    struct buf out;
    struct err err = {0};
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1); /* exactly sized for the sanitizer */

    assert_non_null(copy);
    memcpy(copy, text, len);
    buf_init(&out, 4096);
    if (dotenv_parse(copy, len, collect, &out, &err) != ANTIPHON_OK)
        fail_msg("%s: %s", text, err.text);
    if (strcmp(buf_text(&out), want) != 0)
        fail_msg("%s: got %s, want %s", text, buf_text(&out), want);
    buf_deinit(&out);
    free(copy);
}

static void assert_refused(const char *text, const char *want)
{
    struct buf out;
    struct err err = {0};

    buf_init(&out, 4096);
    assert_int_equal(dotenv_parse(text, strlen(text), collect, &out, &err), ANTIPHON_EINVAL);
    if (!strstr(err.text, want))
        fail_msg("\"%s\" is not in \"%s\"", want, err.text);
    buf_deinit(&out);
}

static void test_values(void **state)
{
    (void)state;
    assert_parses("", "");
    assert_parses("\n \t\r\n# comment\n#", "");
    assert_parses("A=1", "A=<1>\n");
    assert_parses("\xef\xbb\xbf"
                  "A=1\n",
                  "A=<1>\n");
    assert_parses("A=1\r\nB=2\rC=3\n", "A=<1>\nB=<2>\nC=<3>\n");
    assert_parses("  export  A = x y \t\n", "A=<x y>\n");
    assert_parses("export=1\nexported=2\n", "export=<1>\nexported=<2>\n");
    assert_parses("A=\nB= \nC\nD=#x\n", "A=<>\nB=<>\nD=<#x>\n");
    assert_parses("A=x # comment\nB=x#y\nC=#\n", "A=<x>\nB=<x#y>\nC=<#>\n");
    assert_parses("A=a=b\nA.b-c=1\n", "A=<a=b>\nA.b-c=<1>\n");
    assert_parses("'A'=1\n", "A=<1>\n");
    assert_parses("A=it's\nB=x\"y\"\n", "A=<it's>\nB=<x\"y\">\n");
    assert_parses("A=\\n$B`x`\n", "A=<\\n$B`x`>\n");
}

static void test_quotes(void **state)
{
    (void)state;
    assert_parses("A='x # y' # z\n", "A=<x # y>\n");
    assert_parses("A='a\\'b\\\\c\\n'\n", "A=<a'b\\c\\n>\n");
    assert_parses("A=\"a\\\"b\\\\c\\n\\t\\'\\q\"\n", "A=<a\"b\\c\n\t'\\q>\n");
    assert_parses("A=\"one\ntwo\"\nB=1\n", "A=<one\ntwo>\nB=<1>\n");
    assert_parses("A=''\nB=\"\"#c\n", "A=<>\nB=<>\n");
}

static void test_faults(void **state)
{
    (void)state;
    assert_refused("A=1\n\nB='x\n", "line 3: a value that starts with ' has no closing '");
    assert_refused("A=\"x\\\"", "line 1: a value that starts with \"");
    assert_refused("A=1\nB='x'y\n", "line 2: expected NAME=value");
    assert_refused("A='1\n2'\nB C\n", "line 3: expected NAME=value");
    assert_refused("=x\n", "line 1: expected a name");
    assert_refused("'a=b'=x\n", "line 1: expected a name");
}

static void test_bounds(void **state)
{
    struct err err;
    char *text = calloc(1, DOTENV_MAX_BYTES + 1);

    (void)state;
    assert_non_null(text);
    assert_int_equal(dotenv_parse("A\0=1", 4, collect, NULL, &err), ANTIPHON_EINVAL);
    assert_int_equal(dotenv_parse(text, DOTENV_MAX_BYTES + 1, collect, NULL, &err),
                     ANTIPHON_ETOOBIG);
    free(text);
}

static void assert_env(const char *name, const char *want)
{
    const char *value = getenv(name);

    if (!value || strcmp(value, want) != 0)
        fail_msg("%s is %s, want %s", name, value ? value : "not set", want);
}

static void test_load(void **state)
{
    char path[] = "/tmp/test_dotenv.XXXXXX";
    int fd = mkstemp(path);
    bool found = true;
    struct err err = {0};
    FILE *file = fdopen(fd, "w");

    (void)state;
    assert_non_null(file);
    fputs("DT_OLD=file\nDT_A=first\nDT_A=second\nDT_B=${DT_A}-${DT_OLD}-${DT_NONE}-${DT_NONE:-x}\n"
          "DT_C='${DT_B}'\nDT_D=${DT_A\nDT_E=$DT_A\nDT_F=${a:b}\n",
          file);
    assert_int_equal(fclose(file), 0);
    setenv("DT_OLD", "env", 1);
    if (dotenv_load(path, &found, &err) != ANTIPHON_OK)
        fail_msg("%s", err.text);
    assert_true(found);
    assert_env("DT_OLD", "env");
    assert_env("DT_A", "second");
    assert_env("DT_B", "second-env--x");
    assert_env("DT_C", "second-env--x");
    assert_env("DT_D", "${DT_A");
    assert_env("DT_E", "$DT_A");
    assert_env("DT_F", "${a:b}");
    unlink(path);
    assert_int_equal(dotenv_load(path, &found, &err), ANTIPHON_OK);
    assert_false(found);
    assert_int_equal(dotenv_load("/", &found, &err), ANTIPHON_EINVAL);
    assert_true(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values), cmocka_unit_test(test_quotes), cmocka_unit_test(test_faults),
        cmocka_unit_test(test_bounds), cmocka_unit_test(test_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
