#include "unit.h"

#include <stdio.h>

#include "session/sentence.h"

static void whole(const char *text, const char *expected)
{
    size_t n = sentence_whole(text, strlen(text));

    if (n != strlen(expected) || strncmp(text, expected, n) != 0)
        fail_msg("\"%s\": \"%.*s\", not \"%s\"", text, (int)n, text, expected);
}

static void test_ends(void **state)
{
    (void)state;
    whole("", "");
    whole("Hello", "");
    whole("Hello.", ""); /* it may be 3.5 */
    whole("Hello. ", "Hello. ");
    whole("Hello.  And", "Hello.  ");
    whole("One. Two! Three? Fo", "One. Two! Three? ");
    whole("It is 3.5 or so", "");
    whole("line\nnext", "line\n");
    whole("안녕하세요. 저는", "안녕하세요. ");
    whole("これは本です。次", "これは本です。");
    whole("यह एक वाक्य है। अ", "यह एक वाक्य है। ");
    whole("cut \xE3\x80", "");
}

static void test_without_end(void **state)
{
    char text[SENTENCE_MAX_BYTES + 2];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[100] = ' ';
    assert_int_equal(sentence_whole(text, SENTENCE_MAX_BYTES), 0);
    assert_int_equal(sentence_whole(text, SENTENCE_MAX_BYTES + 1), 101);
    text[100] = 'x';
    assert_int_equal(sentence_whole(text, SENTENCE_MAX_BYTES + 1), SENTENCE_MAX_BYTES + 1);
    text[SENTENCE_MAX_BYTES] = '\xEA'; /* a character that is not complete stays */
    assert_int_equal(sentence_whole(text, SENTENCE_MAX_BYTES + 1), SENTENCE_MAX_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ends), cmocka_unit_test(test_without_end)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
