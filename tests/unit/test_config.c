#include "unit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"
#include "config/config_store.h"
#include "config/layout.h"

static char home[64]; /* a fresh folder, the working directory of each test */

static const char *const variables[] = {
    "ANTIPHON_HOST",      "ANTIPHON_PORT",   "ANTIPHON_SHARDS",
    "ANTIPHON_LOG_LEVEL", "ANTIPHON_AGENTS", "ANTIPHON_PLUGINS",
    "ANTIPHON_STORE",     "ANTIPHON_STATIC", "CT_KEY",
    "CT_OLD_FLAG",        "CT_NEW_FLAG",     "CT_NUMBER",
    "CT_SECRET",          "CT_DOT",          "ANTIPHON_DEFAULT_AGENT",
    "CT_NESTED",          "ANTIPHON_METRICS",
};

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
    snprintf(home, sizeof(home), "/tmp/test_config.XXXXXX");
    return mkdtemp(home) && chdir(home) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "%s", home);
    for (const char *const *name = (const char *const[]){"antiphon.yaml", ".env", "key", "sub/.env",
                                                         "sub/c.yaml", "sub/key", NULL};
         *name; name++)
        unlink(*name);
    rmdir("sub");
    return chdir("/") == 0 && rmdir(command) == 0 ? 0 : -1;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "we");

    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0, 1);
    assert_int_equal(fclose(file), 0);
}

static const struct config_flags no_flags = {.port = -1, .shards = -1};

static struct config *load(const struct config_flags *flags)
{
    struct report report;
    struct config *config = NULL;

    report_init(&report);
    if (config_load(flags, &report, &config) != ANTIPHON_OK)
        fail_msg("%s", buf_text(&report.text));
    report_deinit(&report);
    return config;
}

static void assert_faults(const struct config_flags *flags, unsigned n, const char *want)
{
    struct report report;
    struct config *config = NULL;

    report_init(&report);
    assert_int_equal(config_load(flags, &report, &config), ANTIPHON_EINVAL);
    if (config)
        assert_non_null(config->agents_dir);
    config_free(config);
    if (strcmp(buf_text(&report.text), want) != 0)
        fail_msg("got:\n%s\nwant:\n%s", buf_text(&report.text), want);
    assert_int_equal(report.faults, n);
    report_deinit(&report);
}

static void test_defaults(void **state)
{
    struct config *config = load(&no_flags);

    (void)state;
    assert_string_equal(config->host, "127.0.0.1");
    assert_int_equal(config->port, 8000);
    assert_true(config->shards >= 1);
    assert_int_equal(config->log_level, ANTIPHON_INFO);
    assert_string_equal(config->store_path, "antiphon.db");
    assert_null(config->default_agent);
    assert_null(config->origins[0]);
    assert_non_null(config->plugin_dirs[0]);
    assert_null(config->plugin_dirs[1]);
    assert_non_null(config->agents_dir);
    assert_non_null(config->static_dir);
    assert_false(config->insecure_no_auth || config->demo);
    assert_int_equal(config->linger_ms, 0);
    assert_int_equal(config->audio_join_ms, 20);
    assert_int_equal(config->deadlines.resolve, 2000);
    assert_int_equal(config->deadlines.connect, 5000);
    assert_int_equal(config->deadlines.setup, 10000);
    assert_int_equal(config->deadlines.first_byte, 15000);
    assert_int_equal(config->deadlines.tool, 30000);
    assert_int_equal(config->limits.connections, 10000);
    assert_int_equal(config->limits.client_message_bytes, 1048576);
    assert_int_equal(config->limits.client_control_bytes, 65536);
    assert_int_equal(config->limits.client_control_messages, 256);
    assert_int_equal(config->limits.client_audio_bytes, 2097152);
    assert_int_equal(config->limits.client_stall_ms, 10000);
    assert_int_equal(config->limits.bad_messages, 20);
    assert_int_equal(config->limits.upstream_message_bytes, 16777216);
    assert_int_equal(config->limits.history_events, 500);
    assert_int_equal(config->limits.tool_threads, 8);
    assert_int_equal(config->limits.tool_jobs, 1000);
    assert_null(config->models);
    assert_null(config->source);
    config_free(config);
}

/* By being the last, the program's own folder is known; naming it does not make another one that. */
static void test_own_plugins_are_last(void **state)
{
    struct config *config = load(&no_flags);
    struct config_flags flags = no_flags;
    char *own = strdup(config->plugin_dirs[0]);

    (void)state;
    config_free(config);
    flags.plugin_dirs[0] = own;
    flags.plugin_dirs[1] = "mine";
    config = load(&flags);
    assert_string_equal(config->plugin_dirs[0], own);
    assert_string_equal(config->plugin_dirs[1], "mine");
    assert_string_equal(config->plugin_dirs[2], own);
    assert_null(config->plugin_dirs[3]);
    config_free(config);
    free(own);
}

static void test_file(void **state)
{
    (void)state;
    assert_int_equal(mkdir("sub", 0700), 0);
    write_file("sub/c.yaml", "listen: {host: \"${env:CT_DOT}\", port: 0}\n"
                             "shards: 3\n"
                             "log: {level: debug}\n"
                             "agents_dir: my/agents\n"
                             "static_dir: /abs/static\n"
                             "store: sqlite:///data/x.db\n"
                             "plugins_dir: [p1, /p2]\n"
                             "default_agent: alpha\n"
                             "origins: [\"https://example.org\", \"http://localhost:3000\"]\n"
                             "auth: {insecure_no_auth: true}\n"
                             "linger_ms: 500\n"
                             "audio: {join_ms: 0}\n"
                             "deadlines: {first_byte_ms: 1}\n"
                             "limits: {tool_jobs: 7}\n"
                             "plugins:\n  demo: {key: \"${env:CT_KEY}\"}\n"
                             "models: [{provider: p, backend: \"*\", match: m}]\n");
    write_file("sub/.env", "CT_DOT=0.0.0.0\n");
    struct config_flags flags = no_flags;
    flags.config_file = "sub/c.yaml";
    struct config *config = load(&flags);
    assert_string_equal(config->host, "0.0.0.0");
    assert_int_equal(config->port, 0);
    assert_int_equal(config->shards, 3);
    assert_int_equal(config->log_level, ANTIPHON_DEBUG);
    assert_string_equal(config->agents_dir, "sub/my/agents");
    assert_string_equal(config->static_dir, "/abs/static");
    assert_string_equal(config->store_path, "sub/data/x.db");
    assert_string_equal(config->plugin_dirs[0], "sub/p1");
    assert_string_equal(config->plugin_dirs[1], "/p2");
    assert_non_null(config->plugin_dirs[2]);
    assert_null(config->plugin_dirs[3]);
    assert_string_equal(config->default_agent, "alpha");
    assert_string_equal(config->origins[1], "http://localhost:3000");
    assert_null(config->origins[2]);
    assert_true(config->insecure_no_auth);
    assert_int_equal(config->linger_ms, 500);
    assert_int_equal(config->audio_join_ms, 0);
    assert_int_equal(config->deadlines.first_byte, 1);
    assert_int_equal(config->deadlines.tool, 30000);
    assert_int_equal(config->limits.tool_jobs, 7);
    /* As written: a variable that is not set is the plugin's matter. */
    assert_string_equal(json_get_string(json_get(config->plugins, "demo"), "key"), "${env:CT_KEY}");
    assert_int_equal(cJSON_GetArraySize(config->models), 1);
    assert_non_null(config->source);
    config_free(config);
}

static void test_precedence(void **state)
{
    (void)state;
    write_file("antiphon.yaml", "listen: {host: file, port: 1}\nshards: 1\nmetrics: 127.0.0.1:1\nlog: {level: error}\n"
                                "agents_dir: file\nstatic_dir: file\nstore: sqlite:file\n"
                                "plugins_dir: file\ndefault_agent: file\n");
    write_file(".env", "ANTIPHON_HOST=dotenv\nANTIPHON_STATIC=dotenv\n");
    setenv("ANTIPHON_HOST", "env", 1);
    setenv("ANTIPHON_PORT", "2", 1);
    setenv("ANTIPHON_SHARDS", "2", 1);
    setenv("ANTIPHON_METRICS", "[::1]:2", 1);
    setenv("ANTIPHON_LOG_LEVEL", "warn", 1);
    setenv("ANTIPHON_AGENTS", "env", 1);
    setenv("ANTIPHON_PLUGINS", "env1::env2", 1);
    setenv("ANTIPHON_STORE", "sqlite:////env", 1);
    setenv("ANTIPHON_DEFAULT_AGENT", "env", 1);
    struct config *config = load(&no_flags);
    assert_string_equal(config->host, "env");
    assert_int_equal(config->port, 2);
    assert_int_equal(config->shards, 2);
    assert_string_equal(config->metrics_host, "::1");
    assert_int_equal(config->metrics_port, 2);
    assert_int_equal(config->log_level, ANTIPHON_WARN);
    assert_string_equal(config->agents_dir, "env");
    assert_string_equal(config->static_dir, "dotenv");
    assert_string_equal(config->store_path, "/env");
    assert_string_equal(config->plugin_dirs[0], "env1");
    assert_string_equal(config->plugin_dirs[1], "env2");
    assert_string_equal(config->default_agent, "env");
    config_free(config);

    struct config_flags flags = {.host = "flag",
                                 .port = 3,
                                 .shards = 3,
                                 .log_level = "debug",
                                 .metrics = "metrics.example:0",
                                 .agents_dir = "flag",
                                 .static_dir = "flag",
                                 .store = "sqlite:flag",
                                 .plugin_dirs = {"flag1"},
                                 .demo = true,
                                 .insecure_no_auth = true};
    config = load(&flags);
    assert_string_equal(config->host, "flag");
    assert_int_equal(config->port, 3);
    assert_int_equal(config->shards, 3);
    assert_string_equal(config->metrics_host, "metrics.example");
    assert_int_equal(config->metrics_port, 0);
    assert_int_equal(config->log_level, ANTIPHON_DEBUG);
    assert_string_equal(config->agents_dir, "flag");
    assert_string_equal(config->static_dir, "flag");
    assert_string_equal(config->store_path, "flag");
    assert_string_equal(config->plugin_dirs[0], "flag1");
    assert_non_null(config->plugin_dirs[1]);
    assert_null(config->plugin_dirs[2]);
    assert_true(config->demo && config->insecure_no_auth);
    config_free(config);
    unsetenv("ANTIPHON_STATIC");
}

static void test_every_fault(void **state)
{
    (void)state;
    write_file("antiphon.yaml", "lisen: {}\n"
                                "listen:\n  port: \"80\"\n  host: ${env:CT_DOT}\n"
                                "shards: 1.5\n"
                                "log: {level: inf}\n"
                                "deadlines: {setup_ms: 0, setup: 1}\n"
                                "plugins: []\n"
                                "plugins_dir: 3\n"
                                "models:\n  - {provider: p, backend: \"*\", match: m, text: x}\n");
    setenv("ANTIPHON_PORT", "80x", 1);
    setenv("ANTIPHON_LOG_LEVEL", "loud", 1);
    setenv("ANTIPHON_STORE", "postgres://x", 1);
    struct config_flags flags = no_flags;
    flags.port = 70000;
    flags.store = "sqlite://host/x";
    assert_faults(&flags, 15,
                  "antiphon.yaml:4:3: listen.host: the environment variable CT_DOT is not set and "
                  "the reference has "
                  "no default (write ${env:CT_DOT:-default} or set it)\n"
                  "antiphon.yaml:1:1: lisen: is not known; did you mean \"listen\"?\n"
                  "antiphon.yaml:3:3: listen.port: must be a whole number\n"
                  "antiphon.yaml:5:1: shards: must be a whole number\n"
                  "antiphon.yaml:6:7: log.level: must be one of \"debug\", \"info\", \"warn\", "
                  "\"error\"; did you mean "
                  "\"info\"?\n"
                  "antiphon.yaml:7:13: deadlines.setup_ms: must be at least 1\n"
                  "antiphon.yaml:7:26: deadlines.setup: is not known\n"
                  "antiphon.yaml:8:1: plugins: must be an object\n"
                  "antiphon.yaml:9:1: plugins_dir: fits none of its 2 allowed forms\n"
                  "antiphon.yaml:11:43: models[0].text: must be one of \"client_content\", "
                  "\"realtime\", null\n"
                  "ANTIPHON_PORT: must be a whole number from 0 to 65535\n"
                  "ANTIPHON_LOG_LEVEL: must be debug, info, warn or error\n"
                  "ANTIPHON_STORE: must be sqlite:PATH, for example sqlite:antiphon.db\n"
                  "--port: must be a whole number from 0 to 65535\n"
                  "--store: has a host part; write sqlite:///RELATIVE or sqlite:////ABSOLUTE\n");
}

static void test_missing_file(void **state)
{
    struct config_flags flags = no_flags;

    (void)state;
    flags.config_file = "nowhere.yaml";
    assert_faults(&flags, 1, "nowhere.yaml: cannot read the file: No such file or directory\n");
    write_file(".env", "A=1\nB='x\n");
    assert_faults(&no_flags, 1, ".env:2:1: a value that starts with ' has no closing '\n");
    write_file(".env", "");
    write_file("antiphon.yaml", "plugins: {a: 1, b: {}, c: }\n");
    assert_faults(&no_flags, 1,
                  "antiphon.yaml:1:11: plugins.a: must be an object: the plugin's settings\n");
}

/* At all three places, and nothing without them. */
static void test_metrics(void **state)
{
    static const char *const wrong[] = {"9464",  ":9464",    "host:",   "host:65536", "host:-1",    "host:+1",
                                        "::1:9", "[::1]9464", "[::1:94", "[]:9464",    "host:80x", "host: 80"};
    struct config_flags flags = no_flags;
    struct config *config = load(&no_flags);

    (void)state;
    assert_null(config->metrics_host);
    config_free(config);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        flags.metrics = wrong[i];
        assert_faults(&flags, 1, "--metrics: must be HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464\n");
    }
    setenv("ANTIPHON_METRICS", "9464", 1);
    write_file("antiphon.yaml", "metrics: \"9464\"\n");
    assert_faults(&no_flags, 2,
                  "antiphon.yaml:1:1: metrics: must be HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464\n"
                  "ANTIPHON_METRICS: must be HOST:PORT, such as 127.0.0.1:9464 or [::1]:9464\n");
}

static void test_store(void **state)
{
    static const struct {
        const char *text, *folder, *path;
    } good[] = {
        {"sqlite:a.db", NULL, "a.db"},         {"sqlite:a.db", "f", "f/a.db"},
        {"sqlite:/a.db", "f", "/a.db"},        {"sqlite:///a.db", NULL, "a.db"},
        {"sqlite:///d/a.db", "f", "f/d/a.db"}, {"sqlite:////d/a.db", "f", "/d/a.db"},
        {"sqlite:./a.db", NULL, "./a.db"},
    };
    static const char *const bad[] = {
        "",         "a.db",      "sqlite",       "sqlite:",         "sqlite:///",
        "sqlite:/", "sqlite:d/", "sqlite://x/y", "sqlite::memory:", "mysql:x"};
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char *path = NULL;
        assert_int_equal(config_store_path(good[i].text, good[i].folder, &path, &err), ANTIPHON_OK);
        assert_string_equal(path, good[i].path);
        free(path);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *path = NULL;
        if (config_store_path(bad[i], NULL, &path, &err) != ANTIPHON_EINVAL)
            fail_msg("%s was taken", bad[i]);
        assert_null(path);
    }
}

/* ---- plugins
 * -------------------------------------------------------------------------------------------- */

static const char plugin_schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"key\":{\"type\":\"string\",\"minLength\":3,\"writeOnly\":true,\"x-env\":[\"CT_KEY\"]},"
    "\"flag\":{\"type\":\"boolean\",\"default\":false,\"x-env\":[\"CT_NEW_FLAG\",\"CT_OLD_FLAG\"]},"
    "\"number\":{\"type\":\"integer\",\"maximum\":9,\"x-env\":[\"CT_NUMBER\"]},"
    "\"list\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
    "\"deep\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"name\":{\"type\":\"string\",\"x-env\":[\"CT_NESTED\"]}}}}}";

static void assert_plugin(const char *yaml, const char *want)
{
    struct report report;
    char *json = NULL;

    if (yaml)
        write_file("antiphon.yaml", yaml);
    struct config *config = load(&no_flags);
    report_init(&report);
    if (config_plugin(config, "demo", plugin_schema, &report, &json) != ANTIPHON_OK)
        fail_msg("%s", buf_text(&report.text));
    assert_string_equal(json, want);
    free(json);
    report_deinit(&report);
    config_free(config);
}

static void assert_plugin_fault(const char *schema, const char *yaml, const char *want)
{
    struct report report;
    char *json = NULL;

    write_file("antiphon.yaml", yaml);
    struct config *config = load(&no_flags);
    report_init(&report);
    assert_int_equal(config_plugin(config, "demo", schema, &report, &json), ANTIPHON_EINVAL);
    assert_null(json);
    if (strcmp(buf_text(&report.text), want) != 0)
        fail_msg("got:\n%s\nwant:\n%s", buf_text(&report.text), want);
    report_deinit(&report);
    config_free(config);
}

static void test_plugin(void **state)
{
    (void)state;
    assert_plugin(NULL, "{\"flag\":false}");
    setenv("CT_KEY", "secret:file:/etc/passwd", 1); /* never taken for a reference */
    setenv("CT_OLD_FLAG", "FALSE", 1);
    setenv("CT_NEW_FLAG", "True", 1);
    setenv("CT_NUMBER", "7", 1);
    setenv("CT_NESTED", "n", 1);
    assert_plugin(NULL, "{\"key\":\"secret:file:/etc/passwd\",\"flag\":true,\"number\":7,"
                        "\"deep\":{\"name\":\"n\"}}");
    unsetenv("CT_NEW_FLAG");
    unsetenv("CT_NESTED");
    /* The environment wins, and what it replaces is not looked at. */
    assert_plugin("plugins: {demo: {key: \"${env:CT_NOT_SET}\", number: 1, deep: {name: x}}}\n",
                  "{\"deep\":{\"name\":\"x\"},\"key\":\"secret:file:/etc/passwd\",\"flag\":false,"
                  "\"number\":7}");
    unsetenv("CT_KEY");
    setenv("CT_NUMBER", "", 1); /* empty is not set */
    setenv("CT_SECRET", "abc", 1);
    assert_plugin("plugins: {demo: {key: \"${env:CT_SECRET}def\", number: 1}}\n",
                  "{\"key\":\"abcdef\",\"number\":1,\"flag\":false}");
    assert_plugin("plugins: {demo: }\n", "{\"flag\":false}");
}

static void test_plugin_secrets(void **state)
{
    (void)state;
    setenv("CT_SECRET", "from-env", 1);
    write_file("key", "from-file\r\n");
    assert_plugin("plugins: {demo: {key: secret:env:CT_SECRET, list: [\"secret:file:key\", x]}}\n",
                  "{\"key\":\"from-env\",\"list\":[\"from-file\",\"x\"],\"flag\":false}");
    assert_plugin("plugins:\n  demo:\n    key:\n      secret: file:key\n",
                  "{\"key\":\"from-file\",\"flag\":false}");
    assert_plugin_fault(
        plugin_schema, "plugins: {demo: {key: secret:env:CT_NOT_SET, list: [secret:file:none]}}\n",
        "antiphon.yaml:1:18: plugins.demo.key: the secret \"env:CT_NOT_SET\": this "
        "environment variable is not set\n"
        "antiphon.yaml:1:53: plugins.demo.list[0]: the secret \"file:none\": cannot read the "
        "file: No such file or directory\n");
    /* A secret written where a reference belongs is not repeated. */
    assert_plugin_fault(
        plugin_schema, "plugins: {demo: {key: \"secret:AIzaSyTopSecret\"}}\n",
        "antiphon.yaml:1:18: plugins.demo.key: expected env:NAME or file:PATH behind "
        "\"secret:\"\n");
    assert_plugin_fault(
        plugin_schema, "plugins: {demo: {key: \"secret:command:pass show\"}}\n",
        "antiphon.yaml:1:18: plugins.demo.key: secrets from a command are not supported "
        "yet\n");
}

static void test_plugin_faults(void **state)
{
    (void)state;
    setenv("CT_OLD_FLAG", "maybe", 1);
    setenv("CT_NUMBER", "70", 1);
    assert_plugin_fault(
        plugin_schema,
        "plugins:\n  demo:\n    key: ab\n    kye: x\n    list: [1]\n    deep: {nam: x}\n",
        "CT_OLD_FLAG: plugin demo, flag: must be true or false\n"
        "antiphon.yaml:3:5: plugins.demo.key: must have at least 3 characters\n"
        "antiphon.yaml:4:5: plugins.demo.kye: is not known; did you mean \"key\"?\n"
        "antiphon.yaml:5:12: plugins.demo.list[0]: must be a string\n"
        "antiphon.yaml:6:12: plugins.demo.deep.nam: is not known; did you mean \"name\"?\n"
        "CT_NUMBER: plugin demo, number: must be at most 9\n");
    assert_plugin_fault(NULL, "plugins: {demo: {a: 1}}\n",
                        "antiphon.yaml:1:11: plugins.demo: this plugin has no settings\n");
    assert_plugin_fault(
        "{\"oneOf\":[]}", "plugins: {}\n",
        "plugin demo: its configuration schema is broken: demo: schema: oneOf: unknown or "
        "unsupported keyword\n");
}

static void test_plugin_without_schema(void **state)
{
    struct report report;
    struct config *config = load(&no_flags);
    char *json = NULL;

    (void)state;
    report_init(&report);
    assert_int_equal(config_plugin(config, "demo", NULL, &report, &json), ANTIPHON_OK);
    assert_string_equal(json, "{}");
    free(json);
    report_deinit(&report);
    config_free(config);
}

/* ---- folders
 * -------------------------------------------------------------------------------------------- */

static void test_layout(void **state)
{
    struct layout layout;
    struct err err;
    char root[4096], want[4400], dir[4200];

    (void)state;
    assert_non_null(realpath(FIXTURES_DIR "/../..", root));
    snprintf(dir, sizeof(dir), "%s/build/release", root);
    assert_int_equal(layout_find_from(dir, &layout, &err), ANTIPHON_OK);
    snprintf(want, sizeof(want), "%s/agents", root);
    assert_string_equal(layout.agents, want);
    snprintf(want, sizeof(want), "%s/static", root);
    assert_string_equal(layout.statics, want);
    snprintf(want, sizeof(want), "%s/plugins", dir);
    assert_string_equal(layout.plugins, want);
    layout_deinit(&layout);

    assert_int_equal(layout_find_from("/nowhere/bin", &layout, &err), ANTIPHON_OK);
    assert_string_equal(layout.agents, ANTIPHON_INSTALL_DATADIR "/agents");
    assert_string_equal(layout.plugins, ANTIPHON_INSTALL_LIBDIR "/plugins");
    layout_deinit(&layout);

    assert_int_equal(layout_find_from("/", &layout, &err), ANTIPHON_OK);
    layout_deinit(&layout);

    /* Installed under another prefix than the one that was configured. */
    const char *tail = strstr(ANTIPHON_INSTALL_DATADIR, "/share/antiphon");
    if (tail && strcmp(tail, "/share/antiphon") == 0) {
        assert_int_equal(mkdir("share", 0700) | mkdir("share/antiphon", 0700), 0);
        snprintf(dir, sizeof(dir), "%s/bin", home);
        assert_int_equal(layout_find_from(dir, &layout, &err), ANTIPHON_OK);
        snprintf(want, sizeof(want), "%s/share/antiphon/static", home);
        assert_string_equal(layout.statics, want);
        assert_int_equal(strncmp(layout.plugins, home, strlen(home)), 0);
        assert_non_null(strstr(layout.plugins, "/antiphon/plugins"));
        layout_deinit(&layout);
        rmdir("share/antiphon");
        rmdir("share");
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    write_file("antiphon.yaml",
               "agents_dir: a\nplugins_dir: [b]\norigins: [\"http://x\"]\nstore: sqlite:c\n"
               "plugins: {demo: {key: \"${env:CT_SECRET}\"}}\n");
    setenv("CT_SECRET", "abcdef", 1);
    setenv("CT_NUMBER", "5", 1);
    alloc_hook_cjson();
    for (unsigned n = 0;; n++) {
        struct report report;
        struct config *config = NULL;
        char *json = NULL;
        report_init(&report);
        alloc_fail_at(n);
        enum antiphon_status status = config_load(&no_flags, &report, &config);
        if (status == ANTIPHON_OK)
            status = config_plugin(config, "demo", plugin_schema, &report, &json);
        bool failed = alloc_has_failed();
        if (status == ANTIPHON_OK && json)
            assert_string_equal(json, "{\"key\":\"abcdef\",\"number\":5,\"flag\":false}");
        free(json);
        config_free(config);
        report_deinit(&report);
        if (!failed) {
            assert_int_equal(status, ANTIPHON_OK);
            break;
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_defaults),      TEST(test_file), TEST(test_own_plugins_are_last),
        TEST(test_precedence),    TEST(test_every_fault),
        TEST(test_missing_file),  TEST(test_store),
        TEST(test_metrics),
        TEST(test_plugin),        TEST(test_plugin_secrets),
        TEST(test_plugin_faults), TEST(test_plugin_without_schema),
        TEST(test_layout),        TEST(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
