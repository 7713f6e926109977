/* Loading real shared objects: the good ones, and one for each way in which it can fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "plugin/registry.h"

static const char *const dirs[] = {FIXTURE_PLUGINS_DIR, PLUGINS_DIR, NULL};

/* What finish() brought, from whichever thread. */
struct results {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int count;
    bool cancelled;
    enum antiphon_status status;
    char text[512];
    size_t len;
};

static void on_finish(void *ctx, struct antiphon_call *call, enum antiphon_status status,
                      const char *text, size_t len)
{
    struct results *results = ctx;

    (void)call;
    pthread_mutex_lock(&results->mutex);
    results->count++;
    results->status = status;
    results->len = len;
    snprintf(results->text, sizeof(results->text), "%.*s", (int)(len < 500 ? len : 500), text);
    pthread_cond_signal(&results->changed);
    pthread_mutex_unlock(&results->mutex);
}

static bool on_cancelled(void *ctx, const struct antiphon_call *call)
{
    struct results *results = ctx;

    (void)call;
    pthread_mutex_lock(&results->mutex);
    bool cancelled = results->cancelled;
    pthread_mutex_unlock(&results->mutex);
    return cancelled;
}

static void wait_count(struct results *results, int count)
{
    pthread_mutex_lock(&results->mutex);
    while (results->count < count)
        pthread_cond_wait(&results->changed, &results->mutex);
    pthread_mutex_unlock(&results->mutex);
}

struct fixture {
    struct results results;
    struct registry *registry;
    struct err err;
    const char *config; /* what the configuration says, NULL: a fault */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    pthread_mutex_init(&f->results.mutex, NULL);
    pthread_cond_init(&f->results.changed, NULL);
    struct host_services services = {
        .ctx = &f->results, .finish = on_finish, .cancelled = on_cancelled};
    assert_int_equal(registry_new(&services, &f->registry), ANTIPHON_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    registry_free(f->registry);
    pthread_mutex_destroy(&f->results.mutex);
    pthread_cond_destroy(&f->results.changed);
    free(f);
    return 0;
}

static enum antiphon_status config(void *ctx, const char *plugin, const char *schema, char **json)
{
    struct fixture *f = ctx;

    assert_non_null(plugin);
    (void)schema;
    if (!f->config)
        return ANTIPHON_EINVAL;
    *json = strdup(f->config);
    return ANTIPHON_OK;
}

static void load(struct fixture *f, const char *name)
{
    enum antiphon_status status = registry_load(f->registry, dirs, name, NULL, NULL, &f->err);

    if (status)
        fail_msg("%s", f->err.text);
}

static void refuse(struct fixture *f, const char *const *where, const char *name, const char *line)
{
    const struct registry_tool *tools;
    size_t before = registry_tools(f->registry, &tools);
    enum antiphon_status status = registry_load(f->registry, where, name, NULL, NULL, &f->err);

    assert_int_not_equal(status, ANTIPHON_OK);
    assert_int_equal(status, f->err.status);
    assert_string_equal(f->err.text, line);
    assert_int_equal(registry_tools(f->registry, &tools), before);
}

/* ---- plugins that load ------------------------------------------------------------------------
 */

static void count_plugin(void *ctx, const char *name, const char *version)
{
    assert_true(strlen(name) > 0 && strcmp(version, "1.0.0") == 0);
    ++*(int *)ctx;
}

static void test_load(void **state)
{
    struct fixture *f = *state;
    const struct registry_tool *tools;
    int plugins = 0;

    load(f, "time_tools");
    load(f, "google_search");
    load(f, "time_tools");
    registry_each(f->registry, count_plugin, &plugins);
    assert_int_equal(plugins, 2);
    assert_true(registry_tools(f->registry, &tools) > 6);
    assert_string_equal(tools[0].tool.name, "get_time");
    assert_string_equal(tools[5].tool.name, "boom");
    assert_ptr_equal(registry_tool(f->registry, "get_time"), &tools[0]);
    assert_null(registry_tool(f->registry, "get_tim"));
    assert_null(registry_model(f->registry, "none"));
    assert_true(registry_available(dirs, "google_search"));
    assert_false(registry_available(dirs, "googlesearch"));
    assert_false(registry_available(dirs, "../google_search"));
}

static void test_native(void **state)
{
    struct fixture *f = *state;

    load(f, "google_search");
    load(f, "native_extra");
    const struct registry_tool *search = registry_tool(f->registry, "google_search");
    const struct registry_tool *extra = registry_tool(f->registry, "code_execution");
    assert_non_null(search);
    assert_string_equal(search->plugin, "google_search");
    assert_string_equal(search->tool.native_feature, "google_search");
    assert_string_equal(search->tool.native_fragment, "{\"googleSearch\":{}}");
    assert_null(search->tool.invoke);
    assert_non_null(extra);
    assert_string_equal(extra->tool.native_feature, "code_execution");
    assert_string_equal(extra->tool.native_fragment, "{\"codeExecution\":{}}");
}

/* ---- calls --------------------------------------------------------------------------------------
 */

static enum antiphon_status invoke(struct fixture *f, const char *name, const char *args,
                                   struct antiphon_call *call)
{
    const struct registry_tool *tool = registry_tool(f->registry, name);

    assert_non_null(tool);
    *call = (struct antiphon_call){.struct_size = sizeof(*call),
                                   .tool = name,
                                   .call_id = "1",
                                   .session_id = "s",
                                   .user_id = "7",
                                   .agent = "a",
                                   .args = args,
                                   .args_len = strlen(args),
                                   .deadline_ms = clock_now_ms()};
    return tool->tool.invoke(tool->state, call);
}

static void test_recorded_results(void **state)
{
    static const struct {
        const char *name, *args, *result;
        enum antiphon_status status;
    } rows[] = {
        {"get_time", "{\"city\":\"Seoul\"}",
         "{\"status\":\"ok\",\"city\":\"Seoul\",\"time\":\"12:34\"}", ANTIPHON_OK},
        {"get_weather", "{\"city\":\"서울\"}",
         "{\"status\":\"ok\",\"city\":\"서울\",\"sky\":\"맑음\",\"temp\":21.5,\"unit\":\"C\"}",
         ANTIPHON_OK},
        {"get_weather", "{\"city\":\"Seoul\",\"unit\":\"F\"}",
         "{\"status\":\"ok\",\"city\":\"Seoul\",\"sky\":\"맑음\",\"temp\":21.5,\"unit\":\"F\"}",
         ANTIPHON_OK},
        {"plain", "{\"city\":\"Seoul\"}", "\"plain Seoul\"", ANTIPHON_OK},
        {"nothing", "{}", "null", ANTIPHON_OK},
        {"boom", "{\"city\":\"Seoul\"}", "boom in Seoul", ANTIPHON_EINTERNAL},
    };
    struct fixture *f = *state;
    struct antiphon_call call;

    load(f, "time_tools");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(invoke(f, rows[i].name, rows[i].args, &call), ANTIPHON_OK);
        assert_int_equal(f->results.count, (int)i + 1);
        assert_int_equal(f->results.status, rows[i].status);
        assert_string_equal(f->results.text, rows[i].result);
    }
}

static void test_finish_from_another_thread(void **state)
{
    struct fixture *f = *state;
    struct antiphon_call calls[20];

    f->config = "{\"slow_ms\":1}";
    assert_int_equal(registry_load(f->registry, dirs, "time_tools", config, f, &f->err),
                     ANTIPHON_OK);
    for (int i = 0; i < 20; i++)
        assert_int_equal(invoke(f, "slow_time", "{\"city\":\"Seoul\"}", &calls[i]), ANTIPHON_OK);
    wait_count(&f->results, 20);
    assert_string_equal(f->results.text, "{\"city\":\"Seoul\",\"time\":\"12:36\"}");
}

static void test_cancel(void **state)
{
    struct fixture *f = *state;
    struct antiphon_call call, later;

    f->config = "{\"slow_ms\":60000}";
    assert_int_equal(registry_load(f->registry, dirs, "time_tools", config, f, &f->err),
                     ANTIPHON_OK);
    const struct registry_tool *tool = registry_tool(f->registry, "slow_time");
    assert_int_equal(invoke(f, "slow_time", "{\"city\":\"Seoul\"}", &call), ANTIPHON_OK);
    assert_int_equal(invoke(f, "late", "{}", &later), ANTIPHON_OK);
    pthread_mutex_lock(&f->results.mutex);
    f->results.cancelled = true;
    pthread_mutex_unlock(&f->results.mutex);
    tool->tool.cancel(tool->state, &call);
    wait_count(&f->results, 2);
    assert_int_equal(f->results.status, ANTIPHON_ECANCELLED);
}

/* What the runtime above must bear; here only that the plugin does it. */
static void test_misbehaviour(void **state)
{
    struct fixture *f = *state;
    struct antiphon_call call;

    load(f, "time_tools");
    assert_int_equal(invoke(f, "refuse", "{}", &call), ANTIPHON_EUNAVAILABLE);
    assert_int_equal(invoke(f, "hang", "{}", &call), ANTIPHON_OK);
    assert_int_equal(f->results.count, 0);
    assert_int_equal(invoke(f, "twice", "{}", &call), ANTIPHON_OK);
    assert_int_equal(f->results.count, 2);
    assert_int_equal(invoke(f, "not_json", "{}", &call), ANTIPHON_OK);
    assert_string_equal(f->results.text, "{oops");
    assert_int_equal(invoke(f, "huge", "{}", &call), ANTIPHON_OK);
    assert_int_equal(f->results.status, ANTIPHON_ETOOBIG);
    assert_string_equal(f->results.text,
                        "the result has 5242880 bytes, at most 1048576 are allowed");
}

/* ---- configuration
 * ------------------------------------------------------------------------------- */

static void test_hello(void **state)
{
    struct fixture *f = *state;
    struct antiphon_call call;

    load(f, "hello");
    assert_int_equal(invoke(f, "say_hello", "{\"name\":\"Ann \\\"A\\\"\"}", &call), ANTIPHON_OK);
    assert_string_equal(f->results.text, "{\"greeting\":\"Hello.\",\"name\":\"Ann \\\"A\\\"\"}");
}

static void test_config(void **state)
{
    struct fixture *f = *state;
    struct antiphon_call call;

    assert_int_equal(registry_load(f->registry, dirs, "hello", config, f, &f->err),
                     ANTIPHON_EINVAL);
    assert_string_equal(f->err.text, "plugin hello: config: is not valid, see the faults that were "
                                     "reported");
    f->config = "{\"loud\":true}";
    assert_int_equal(registry_load(f->registry, dirs, "hello", config, f, &f->err), ANTIPHON_OK);
    assert_int_equal(invoke(f, "say_hello", "{\"name\":\"Bo\"}", &call), ANTIPHON_OK);
    assert_string_equal(f->results.text, "{\"greeting\":\"HELLO!\",\"name\":\"Bo\"}");

    /* init() gives back what it was given, on two lines; the error has one. */
    f->config = "{\"place\":\"here\"}";
    assert_int_equal(registry_load(f->registry, dirs, "bad_config", config, f, &f->err),
                     ANTIPHON_EDENIED);
    assert_string_equal(f->err.text,
                        "plugin bad_config: init: configured with {\"place\":\"here\"}");
}

static void test_config_faults(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(registry_load(f->registry, dirs, "bad_config", NULL, NULL, &f->err),
                     ANTIPHON_EINVAL);
    assert_non_null(strstr(f->err.text, "plugin bad_config: config: "));
    assert_non_null(strstr(f->err.text, "place"));
    assert_int_equal(registry_load(f->registry, dirs, "bad_config_schema", NULL, NULL, &f->err),
                     ANTIPHON_EINVAL);
    assert_non_null(strstr(f->err.text, "plugin bad_config_schema: config: "));
    assert_non_null(strstr(f->err.text, "oneOf"));
}

/* ---- plugins that do not load
 * ---------------------------------------------------------------------- */

static void test_not_there(void **state)
{
    static const char *const nowhere[] = {NULL};
    struct fixture *f = *state;

    refuse(f, dirs, "absent",
           "plugin absent: find: there is no absent.so in " FIXTURE_PLUGINS_DIR ", " PLUGINS_DIR);
    refuse(
        f, nowhere, "absent",
        "plugin absent: find: there is no absent.so in any directory, because none is configured");
    refuse(f, dirs, "../plugins/hello",
           "plugin ../plugins/hello: name: must be 1 to 63 letters, digits, '_' or '-', and not "
           "start with '-'");
    refuse(f, dirs, "",
           "plugin : name: must be 1 to 63 letters, digits, '_' or '-', and not "
           "start with '-'");
}

static void test_bad_objects(void **state)
{
    struct fixture *f = *state;

    refuse(f, dirs, "not_elf",
           "plugin not_elf: elf: " FIXTURE_PLUGINS_DIR
           "/not_elf.so is not a shared object (no ELF header)");
    refuse(f, dirs, "no_symbol",
           "plugin no_symbol: symbol: " FIXTURE_PLUGINS_DIR
           "/no_symbol.so does not export antiphon_plugin_v1()");
    refuse(f, dirs, "short_struct",
           "plugin short_struct: struct: struct_size is 8, at least 56 is needed; set it to "
           "sizeof(struct antiphon_plugin)");
    refuse(f, dirs, "wrong_name",
           "plugin wrong_name: name: the file is wrong_name.so, but the plugin calls itself other");
    refuse(f, dirs, "manifest_lies",
           "plugin manifest_lies: manifest: it does not have the tool harmful, which the plugin "
           "registers");
    refuse(f, dirs, "other_abi",
           "plugin other_abi: manifest: it is built for version 2.0 of the plugin ABI, this program "
           "has 1.0");
    refuse(f, dirs, "bad_manifest",
           "plugin bad_manifest: manifest: tool: is not known; did you mean \"tools\"?");
    refuse(f, dirs, "init_fails", "plugin init_fails: init: there is no route to the sea");
    assert_null(registry_tool(f->registry, "first"));
    refuse(f, dirs, "undefined_symbol",
           "plugin undefined_symbol: open: " FIXTURE_PLUGINS_DIR
           "/undefined_symbol.so: undefined symbol: the_function_that_is_nowhere");
    assert_int_equal(registry_load(f->registry, dirs, "bad_schema", NULL, NULL, &f->err),
                     ANTIPHON_EINVAL);
    assert_non_null(strstr(f->err.text, "plugin bad_schema: register: tool odd: params_schema"));
    assert_non_null(strstr(f->err.text, "$ref"));
    assert_null(registry_tool(f->registry, "even"));
}

static void test_name_clash(void **state)
{
    struct fixture *f = *state;

    load(f, "time_tools");
    refuse(f, dirs, "name_clash",
           "plugin name_clash: register: tool get_time: plugin time_tools has one of that name");
    assert_null(registry_tool(f->registry, "own_tool"));
    assert_string_equal(registry_tool(f->registry, "get_time")->plugin, "time_tools");
}

/* ---- files
 * ------------------------------------------------------------------------------------------ */

struct copy {
    char dir[64], path[128];
    const char *dirs[2];
};

/* A folder of its own with a copy of hello.so, or without one. */
static void make_copy(struct copy *copy, bool with_file)
{
    static char bytes[1 << 20];

    *copy = (struct copy){.dir = "/tmp/antiphon-registry-XXXXXX", .dirs = {copy->dir, NULL}};
    assert_non_null(mkdtemp(copy->dir));
    snprintf(copy->path, sizeof(copy->path), "%s/hello.so", copy->dir);
    if (!with_file)
        return;
    int from = open(FIXTURE_PLUGINS_DIR "/hello.so", O_RDONLY);
    int to = open(copy->path, O_WRONLY | O_CREAT | O_EXCL, 0755);
    ssize_t n = read(from, bytes, sizeof(bytes));
    assert_true(n > 0 && (size_t)n < sizeof(bytes));
    assert_int_equal(write(to, bytes, (size_t)n), n);
    close(from);
    close(to);
}

static void drop_copy(const struct copy *copy)
{
    if (unlink(copy->path) != 0)
        assert_int_equal(rmdir(copy->path), 0);
    assert_int_equal(rmdir(copy->dir), 0);
}

static void refuse_copy(struct fixture *f, const struct copy *copy, const char *step,
                        const char *rest)
{
    char line[ERR_MAX_TEXT];

    snprintf(line, sizeof(line), "plugin hello: %s: %s%s", step, copy->path, rest);
    refuse(f, copy->dirs, "hello", line);
    drop_copy(copy);
}

static void poke(const struct copy *copy, off_t at, const void *bytes, size_t n)
{
    int fd = open(copy->path, O_WRONLY);

    assert_int_equal(pwrite(fd, bytes, n, at), (ssize_t)n);
    close(fd);
}

static void test_file_rules(void **state)
{
    struct fixture *f = *state;
    struct copy copy;
    char target[PATH_MAX], line[PATH_MAX + ERR_MAX_TEXT];

    make_copy(&copy, true);
    assert_int_equal(chmod(copy.path, 0757), 0);
    refuse_copy(f, &copy, "file", " may be written by everybody; chmod o-w");
    make_copy(&copy, false);
    assert_int_equal(mkdir(copy.path, 0755), 0);
    refuse_copy(f, &copy, "file", " is not a regular file");
    make_copy(&copy, false);
    assert_int_equal(mkfifo(copy.path, 0600), 0);
    refuse_copy(f, &copy, "file", " is not a regular file");

    make_copy(&copy, false);
    assert_int_equal(symlink(FIXTURE_PLUGINS_DIR "/hello.so", copy.path), 0);
    assert_non_null(realpath(copy.path, target));
    snprintf(line, sizeof(line), "plugin hello: file: hello.so leads out of %s to %s", copy.dir,
             target);
    refuse(f, copy.dirs, "hello", line);
    drop_copy(&copy);
    make_copy(&copy, false);
    assert_int_equal(symlink("nowhere", copy.path), 0);
    refuse(f, copy.dirs, "hello",
           "plugin hello: find: hello.so cannot be resolved: No such file or directory");
    drop_copy(&copy);
}

static void test_broken_files(void **state)
{
    struct fixture *f = *state;
    struct copy copy;
    struct stat st;
    uint16_t machine = EM_S390, executable = ET_EXEC;
    unsigned char class32 = ELFCLASS32;

    make_copy(&copy, true);
    assert_int_equal(stat(copy.path, &st), 0);
    drop_copy(&copy);
    for (off_t size = 4; size < st.st_size; size += size < 256 ? 16 : st.st_size / 10) {
        make_copy(&copy, true);
        assert_int_equal(truncate(copy.path, size), 0);
        refuse_copy(f, &copy, "elf", " is truncated");
    }
    make_copy(&copy, true);
    assert_int_equal(truncate(copy.path, st.st_size - 1), 0);
    refuse_copy(f, &copy, "elf", " is truncated");
    make_copy(&copy, true);
    poke(&copy, offsetof(Elf64_Ehdr, e_machine), &machine, sizeof(machine));
    assert_int_equal(registry_load(f->registry, copy.dirs, "hello", NULL, NULL, &f->err),
                     ANTIPHON_EINVAL);
    assert_non_null(strstr(f->err.text, "hello.so is built for s390 (64 bit), this program for "));
    drop_copy(&copy);
    make_copy(&copy, true);
    poke(&copy, EI_CLASS, &class32, 1);
    assert_int_equal(registry_load(f->registry, copy.dirs, "hello", NULL, NULL, &f->err),
                     ANTIPHON_EINVAL);
    assert_non_null(strstr(f->err.text, "(32 bit), this program for "));
    drop_copy(&copy);
    make_copy(&copy, true);
    poke(&copy, offsetof(Elf64_Ehdr, e_type), &executable, sizeof(executable));
    refuse_copy(f, &copy, "elf", " is not a shared object");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_load),
        TEST(test_native),
        TEST(test_recorded_results),
        TEST(test_finish_from_another_thread),
        TEST(test_cancel),
        TEST(test_misbehaviour),
        TEST(test_hello),
        TEST(test_config),
        TEST(test_config_faults),
        TEST(test_not_there),
        TEST(test_bad_objects),
        TEST(test_name_clash),
        TEST(test_file_rules),
        TEST(test_broken_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
