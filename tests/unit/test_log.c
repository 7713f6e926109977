#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/utf8.h"

static FILE *file;
static int terminal;

/* stderr goes into a file from capture() to text(). */
static void capture(void)
{
    file = tmpfile();
    assert_non_null(file);
    terminal = dup(STDERR_FILENO);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    /* Several threads write; appending keeps their lines whole. */
    fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
}

static char *text(void)
{
    long len;
    char *content;

    dup2(terminal, STDERR_FILENO);
    close(terminal);
    fseek(file, 0, SEEK_END);
    len = ftell(file);
    rewind(file);
    content = calloc(1, (size_t)len + 1);
    assert_non_null(content);
    assert_int_equal(fread(content, 1, (size_t)len, file), len);
    fclose(file);
    return content;
}

static void assert_matches(const char *line, const char *pattern)
{
    regex_t regex;

    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&regex, line, 0, NULL, 0))
        fail_msg("%s does not match %s", line, pattern);
    regfree(&regex);
}

static void test_line(void **state)
{
    (void)state;
    capture();
    errno = ENOENT;
    log_info("net", "listening port=%d", 80);
    int kept = errno;
    char *line = text();
    assert_int_equal(kept, ENOENT);
    assert_matches(line, "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z info  "
                         "net: listening port=80\n$");
    free(line);
}

static void test_levels(void **state)
{
    enum antiphon_log_level level = ANTIPHON_INFO;

    (void)state;
    assert_int_equal(log_level_parse("warn", &level), ANTIPHON_OK);
    assert_int_equal(level, ANTIPHON_WARN);
    assert_int_equal(log_level_parse("Warn", &level), ANTIPHON_EINVAL);
    assert_int_equal(log_level_parse("", &level), ANTIPHON_EINVAL);
    assert_int_equal(log_level_parse(NULL, &level), ANTIPHON_EINVAL);
    assert_int_equal(level, ANTIPHON_WARN);
    log_set_level(level);
    capture();
    log_info("a", "hidden");
    log_debug("a", "hidden");
    log_warn("a", "shown");
    log_error("a", "shown");
    char *lines = text();
    log_set_level(ANTIPHON_INFO);
    assert_null(strstr(lines, "hidden"));
    assert_matches(lines, "^[^\n]* warn  a: shown\n[^\n]* error a: shown\n$");
    free(lines);
}

/* A message can neither forge a line nor drive a terminal. */
static void test_escapes(void **state)
{
    (void)state;
    capture();
    log_info("x", "%s", "a\nb\rc\x1b[2Jd\x7f\xC2\x9B\xFF\xED\x95\x9C\t\"");
    char *line = text();
    assert_non_null(
        strstr(line, "x: a\\nb\\x0dc\\x1b[2Jd\\x7f\\xc2\\x9b\\xff\xED\x95\x9C\\x09\"\n"));
    free(line);
}

static void test_long_lines_are_cut(void **state)
{
    char message[3 * LOG_MAX_LINE];

    (void)state;
    for (unsigned shift = 0; shift < 4; shift++) {
        memset(message, 'a', shift);
        for (size_t i = shift; i + 3 < sizeof(message); i += 3)
            memcpy(message + i, "\xED\x95\x9C", 4);
        capture();
        log_info("x", "%s", message);
        char *line = text();
        size_t len = strlen(line);
        assert_true(len <= LOG_MAX_LINE && len > LOG_MAX_LINE - 10);
        assert_string_equal(line + len - 4, "...\n");
        assert_true(utf8_valid(line, len));
        free(line);
    }
    memset(message, '\n', 3000);
    message[3000] = '\0';
    capture();
    log_info("x", "%s", message);
    char *line = text();
    assert_true(strlen(line) <= LOG_MAX_LINE);
    assert_matches(line, "x: (\\\\n)+\\.\\.\\.\n$");
    free(line);
}

static void *logger_main(void *arg)
{
    for (unsigned i = 0; i < 200; i++)
        log_info("thread", "%s", (const char *)arg);
    return NULL;
}

static void test_threads_do_not_mix(void **state)
{
    static char messages[4][500];
    pthread_t threads[4];
    unsigned lines = 0;

    (void)state;
    capture();
    for (unsigned i = 0; i < 4; i++) {
        memset(messages[i], (int)('a' + i), sizeof(messages[i]) - 1);
        assert_int_equal(pthread_create(&threads[i], NULL, logger_main, messages[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    char *content = text();
    for (char *line = content, *end; (end = strchr(line, '\n')); line = end + 1, lines++) {
        *end = '\0';
        const char *message = strstr(line, "Z info  thread: ");
        assert_non_null(message);
        message += strlen("Z info  thread: ");
        unsigned which = (unsigned)(*message - 'a');
        assert_true(which < 4);
        assert_string_equal(message, messages[which]);
    }
    assert_int_equal(lines, 800);
    free(content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_long_lines_are_cut),
        cmocka_unit_test(test_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
