/* The flags of serve and check. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "command/command.h"
#include "command/options.h"

static struct config_flags flags;
static char said[8192]; /* on stdout and stderr */

/* Parses with both outputs caught; the exit code, or -1 to go on. */
static int parse(int argc, const char *const *words)
{
    char *argv[64] = {NULL};
    int saved[2] = {dup(1), dup(2)}, exit_code = -1;
    FILE *file = tmpfile();
    size_t n;

    assert_non_null(file);
    assert_true(argc < 64);
    for (int i = 0; i < argc; i++)
        argv[i] = (char *)(uintptr_t)words[i];
    fflush(stdout);
    dup2(fileno(file), 1);
    dup2(fileno(file), 2);
    if (options_parse(argc, argv, "Does something.", &flags, &exit_code))
        exit_code = -1;
    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        dup2(saved[i], i + 1);
        close(saved[i]);
    }
    rewind(file);
    n = fread(said, 1, sizeof(said) - 1, file);
    said[n] = '\0';
    fclose(file);
    return exit_code;
}

#define PARSE(...)                                                                                                   \
    parse((int)(sizeof((const char *const[]){"serve", __VA_ARGS__}) / sizeof(char *)), (const char *const[]){"serve", __VA_ARGS__})

static void nothing_is_given(void **unused)
{
    const char *const words[] = {"serve"};

    (void)unused;
    assert_int_equal(parse(1, words), -1);
    assert_int_equal(flags.port, -1);
    assert_int_equal(flags.shards, -1);
    assert_null(flags.host);
    assert_null(flags.config_file);
    assert_null(flags.plugin_dirs[0]);
    assert_false(flags.demo || flags.insecure_no_auth);
    assert_string_equal(said, "");
}

static void every_flag(void **unused)
{
    (void)unused;
    assert_int_equal(PARSE("--config", "c.yaml", "--host=0.0.0.0", "--port", "0", "--agents", "a", "--plugins", "p1",
                           "--plugins=p2", "--store", "sqlite:x", "--static", "s", "--demo", "--shards", "2",
                           "--metrics", "[::1]:9464", "--log-level", "debug", "--insecure-no-auth"),
                     -1);
    assert_string_equal(flags.config_file, "c.yaml");
    assert_string_equal(flags.host, "0.0.0.0");
    assert_int_equal(flags.port, 0);
    assert_string_equal(flags.agents_dir, "a");
    assert_string_equal(flags.plugin_dirs[0], "p1");
    assert_string_equal(flags.plugin_dirs[1], "p2");
    assert_null(flags.plugin_dirs[2]);
    assert_string_equal(flags.store, "sqlite:x");
    assert_string_equal(flags.static_dir, "s");
    assert_int_equal(flags.shards, 2);
    assert_string_equal(flags.metrics, "[::1]:9464");
    assert_string_equal(flags.log_level, "debug");
    assert_true(flags.demo && flags.insecure_no_auth);
}

static void help_names_every_flag(void **unused)
{
    static const char *const names[] = {"--config", "--host", "--port", "--agents", "--plugins", "--store", "--static",
                                        "--demo", "--shards", "--metrics", "--log-level", "--insecure-no-auth", "--help"};

    (void)unused;
    assert_int_equal(PARSE("--help"), COMMAND_OK);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_non_null(strstr(said, names[i]));
    assert_non_null(strstr(said, "usage: antiphon serve"));
    assert_non_null(strstr(said, "Does something."));
    assert_int_equal(PARSE("-h"), COMMAND_OK);
}

static void wrong_usage(void **unused)
{
    static const char *const wrong[][2] = {
        {"--port", "65536"}, {"--port", "-1"}, {"--port", ""},   {"--port", "80x"}, {"--port", "x"},
        {"--shards", "65"},  {"--shards", "1.5"}, {"--port", "99999999999999999999"}, {"--nonsense", "x"}, {"stray", ""}};

    (void)unused;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (PARSE(wrong[i][0], wrong[i][1]) != COMMAND_USAGE)
            fail_msg("%s %s was taken", wrong[i][0], wrong[i][1]);
        assert_string_not_equal(said, "");
    }
    assert_int_equal(PARSE("--store"), COMMAND_USAGE);
    assert_int_equal(PARSE("--demo=yes"), COMMAND_USAGE);
    assert_int_equal(PARSE("stray"), COMMAND_USAGE);
    assert_non_null(strstr(said, "unexpected 'stray'"));
}

static void too_many_plugin_folders(void **unused)
{
    const char *words[1 + 2 * CONFIG_MAX_PLUGIN_DIRS] = {"serve"};

    (void)unused;
    for (unsigned i = 0; i < CONFIG_MAX_PLUGIN_DIRS; i++) {
        words[1 + 2 * i] = "--plugins";
        words[2 + 2 * i] = "p";
    }
    assert_int_equal(parse(1 + 2 * (CONFIG_MAX_PLUGIN_DIRS - 1), words), -1);
    assert_int_equal(parse(1 + 2 * CONFIG_MAX_PLUGIN_DIRS, words), COMMAND_USAGE);
    assert_non_null(strstr(said, "--plugins was given too often"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_given),
        cmocka_unit_test(every_flag),
        cmocka_unit_test(help_names_every_flag),
        cmocka_unit_test(wrong_usage),
        cmocka_unit_test(too_many_plugin_folders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
