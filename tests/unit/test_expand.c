#include "unit.h"

#include "config/expand.h"

static const char *lookup(void *ctx, const char *name)
{
    (void)ctx;
    if (strcmp(name, "SET") == 0)
        return "value";
    if (strcmp(name, "EMPTY") == 0)
        return "";
    if (strcmp(name, "REF") == 0)
        return "${env:SET}";
    return strcmp(name, "BYTES") == 0 ? "\xff" : NULL;
}

static void assert_expands(const char *text, const char *want)
{
    struct buf out;
    struct err err = {0};

    buf_init(&out, 64);
    if (expand_text(text, lookup, NULL, &out, &err) != ANTIPHON_OK)
        fail_msg("%s: %s", text, err.text);
    assert_string_equal(buf_text(&out), want);
    buf_deinit(&out);
}

static void assert_refused(const char *text, enum antiphon_status status, const char *want)
{
    struct buf out;
    struct err err = {0};

    buf_init(&out, 64);
    assert_int_equal(expand_text(text, lookup, NULL, &out, &err), status);
    if (!strstr(err.text, want))
        fail_msg("\"%s\" is not in \"%s\"", want, err.text);
    buf_deinit(&out);
}

static void test_references(void **state)
{
    (void)state;
    assert_expands("", "");
    assert_expands("plain $ $$ ${x} $env:SET {env:SET}", "plain $ $$ ${x} $env:SET {env:SET}");
    assert_expands("a${env:SET}b${env:SET}", "avaluebvalue");
    assert_expands("[${env:EMPTY}]", "[]");
    assert_expands("${env:EMPTY:-d}${env:NOT_SET:-e f}${env:SET:-g}", "de fvalue");
    assert_expands("${env:NOT_SET:-}", "");
    assert_expands("${env:NOT_SET:-:-x}", ":-x");
    assert_expands("$${env:SET}", "${env:SET}");
    assert_expands("$$${env:SET}", "$${env:SET}");
    /* What a variable holds is not expanded again. */
    assert_expands("${env:REF}", "${env:SET}");
}

static void test_faults(void **state)
{
    char name[600] = "${env:";

    (void)state;
    assert_refused("x ${env:NOT_SET}", ANTIPHON_EINVAL, "NOT_SET is not set");
    assert_refused("${env:SET", ANTIPHON_EINVAL, "closing brace");
    assert_refused("${env:}", ANTIPHON_EINVAL, "expected the name of a variable");
    assert_refused("${env:1A}", ANTIPHON_EINVAL, "expected the name of a variable");
    assert_refused("${env:SET-x}", ANTIPHON_EINVAL, "expected ${env:NAME}");
    assert_refused("${env:SET:x}", ANTIPHON_EINVAL, "expected ${env:NAME}");
    assert_refused("${env:BYTES}", ANTIPHON_EINVAL, "BYTES is not valid UTF-8");
    memset(name + 6, 'A', 500);
    name[506] = '}';
    assert_refused(name, ANTIPHON_EINVAL, "expected the name of a variable");
    assert_refused("0123456789012345678901234567890123456789012345678901234567890123456789",
                   ANTIPHON_ETOOBIG, "too large");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
