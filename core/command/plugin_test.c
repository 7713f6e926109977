#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jschema.h"
#include "base/log.h"
#include "base/utf8.h"
#include "command/command.h"
#include "command/plugin_command.h"
#include "command/plugin_world.h"
#include "plugin/sandbox.h"
#include "base/banned.h"

#define TIMEOUT_MS 30000
#define BENCH      1000 /* calls */
#define HELP                                                                                                   \
    "usage: antiphon plugin test [OPTION...] FILE [TOOL JSON]\n\n"                                             \
    "Starts the plugin in a process of its own, as the server does, with its self_test(), and tells what it\n"  \
    "registers. With TOOL and its arguments JSON, calls the tool and tells the result, the time, and what it\n" \
    "did wrong, up to its orderly end. What it logs goes to standard error. What it keeps is kept in memory until the end; HTTP is real.\n\n"                               \
    "  --settings JSON   its configuration (default {})\n"                                                     \
    "  --timeout MS      deadline of the call (default 30000)\n"                                               \
    "  --bench           calls the tool 1000 times and tells what a call takes\n"                              \
    "  --help            this text\n\n"                                                                        \
    "Exit codes: 0 fine, 1 it does not start, the call fails, or it did something wrong, 2 wrong usage.\n"

#define MAX_WRONG ((size_t)64 << 10) /* what is beyond is left out */

struct wish {
    const char *file, *tool, *args, *settings;
    unsigned timeout_ms;
    bool bench;
};

/* ---- what it did wrong: errors that are logged meanwhile, by the host about it or by itself ---- */

struct wrongs {
    pthread_mutex_t lock;
    struct buf text; /* one line each */
};

static void on_log(void *ctx, enum antiphon_log_level level, const char *text)
{
    static const char *const names[] = {"debug", "info", "warn"};
    struct wrongs *wrongs = ctx;

    pthread_mutex_lock(&wrongs->lock);
    if (level < ANTIPHON_ERROR)
        (void)fprintf(stderr, "%s: %s\n", names[level], text);
    else
        buf_printf(&wrongs->text, "wrong        %s\n", text);
    pthread_mutex_unlock(&wrongs->lock);
}

static void print_tools(const struct registry *registry)
{
    const struct registry_tool *tools;
    const struct registry_hook *hooks;
    size_t n = registry_tools(registry, &tools), n_hooks = registry_hooks(registry, &hooks);

    for (size_t i = 0; i < n; i++)
        if (tools[i].tool.flags & ANTIPHON_TOOL_SET)
            printf("set          %s\n", tools[i].tool.name);
        else
            printf("tool         %s%s%s: %s\n", tools[i].tool.name, tools[i].tool.cancel ? "" : " (native)",
                   tools[i].tool.undo ? " (can be undone)" : "", tools[i].tool.description);
    for (size_t i = 0; i < n_hooks; i++)
        printf("hook         %s\n", hooks[i].hook.name);
    printf("%zu tools, %zu hooks\n", n, n_hooks);
}

static void print_fault(void *ctx, const char *path, const char *message)
{
    (void)ctx;
    (void)fprintf(stderr, "arguments: %s%s%s\n", path, *path ? ": " : "", message);
}

/* The arguments as the tool gets them from the server, which fills in no defaults. */
static enum antiphon_status check_args(const struct registry_tool *tool, const char *args, char **json)
{
    cJSON *value = NULL;
    struct err err = {0};
    struct buf text;
    enum antiphon_status status = json_parse(args, strlen(args), NULL, &value, &err);

    buf_init(&text, (size_t)1 << 20);
    if (status)
        (void)fprintf(stderr, "arguments: %s\n", err.text);
    else if (!cJSON_IsObject(value))
        print_fault(NULL, "", "must be a JSON object"), status = ANTIPHON_EINVAL;
    if (!status && tool->schema)
        status = jschema_check(tool->schema, value, JSCHEMA_DROP_UNKNOWN, print_fault, NULL);
    if (!status)
        status = json_print(value, &text);
    if (!status)
        *json = buf_take(&text);
    buf_deinit(&text);
    cJSON_Delete(value);
    return status;
}

/* What is wrong with a result; NULL: nothing. */
static const char *wrong_with(const struct plugin_result *result)
{
    cJSON *value = NULL;
    struct err err;

    if (!utf8_valid(result->text, result->len))
        return "the text is not UTF-8";
    if (result->status)
        return NULL;
    if (json_parse(result->text, result->len, &(struct json_limits){.max_tokens = 65536}, &value, &err))
        return "the result is not JSON";
    cJSON_Delete(value);
    return NULL;
}

static bool print_result(const struct plugin_world *world, const struct plugin_result *result, unsigned timeout_ms)
{
    const char *wrong = wrong_with(result);

    fputs(plugin_world_told(world), stdout);
    printf("%-12s %.*s\ntime         %.3f ms\n", result->status ? status_name(result->status) : "result",
           (int)result->len, result->text, (double)result->us / 1000);
    if (wrong)
        printf("wrong        %s\n", wrong);
    if (result->us / 1000 > timeout_ms)
        printf("wrong        it finished after its deadline of %u ms\n", timeout_ms);
    return !result->status && !wrong && result->us / 1000 <= timeout_ms;
}

static enum antiphon_status bench(struct plugin_world *world, const struct wish *wish, const char *args)
{
    uint64_t all = 0, least = UINT64_MAX;

    for (unsigned i = 0; i < BENCH; i++) {
        struct plugin_result result = {0};
        enum antiphon_status status = plugin_world_call(world, wish->tool, args, wish->timeout_ms, &result);
        if (!status && result.status)
            status = result.status;
        free(result.text);
        if (status)
            return status;
        all += result.us;
        least = result.us < least ? result.us : least;
    }
    printf("%u calls     %.1f us each, the fastest %llu us\n", BENCH, (double)all / BENCH, (unsigned long long)least);
    return ANTIPHON_OK;
}

static int call(struct plugin_world *world, const struct wish *wish)
{
    const struct registry_tool *tool = registry_tool(plugin_world_registry(world), wish->tool);
    struct plugin_result result = {0};
    char *args = NULL;

    if (!tool || !tool->tool.invoke) {
        (void)fprintf(stderr, "antiphon plugin test: it has no tool %s that can be called\n", wish->tool);
        return COMMAND_FAILED;
    }
    if (check_args(tool, wish->args, &args))
        return COMMAND_FAILED;
    enum antiphon_status status = plugin_world_call(world, wish->tool, args, wish->timeout_ms, &result);
    bool right = !status && print_result(world, &result, wish->timeout_ms);
    if (right && wish->bench)
        right = !bench(world, wish, args);
    free(result.text);
    free(args);
    return right ? COMMAND_OK : COMMAND_FAILED;
}

static int test(const struct wish *wish)
{
    static struct wrongs wrongs = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct plugin_world *world = NULL;
    struct err err = {0};
    char *folder = NULL, *name = NULL;
    int exit_code = COMMAND_FAILED;
    enum antiphon_status status = plugin_split(wish->file, &folder, &name, &err);

    buf_init(&wrongs.text, MAX_WRONG);
    log_set_sink(on_log, &wrongs);
    if (!status)
        status = plugin_world_open(wish->settings, &world, &err);
    if (!status)
        status = plugin_world_load(world, folder, name, &err);
    if (status) {
        (void)fprintf(stderr, "antiphon plugin test: %s\n", err.text);
    } else {
        if (sandbox_landlock_version() == 0)
            fputs("warning: this kernel has no Landlock, so the plugin can read files\n", stderr);
        print_tools(plugin_world_registry(world));
        exit_code = wish->tool ? call(world, wish) : COMMAND_OK;
    }
    plugin_world_close(world); /* its end is part of the test */
    log_set_sink(NULL, NULL);
    fputs(buf_text(&wrongs.text), stdout);
    if (buf_text(&wrongs.text)[0])
        exit_code = COMMAND_FAILED;
    buf_deinit(&wrongs.text);
    free(folder);
    free(name);
    return exit_code;
}

static bool parse_timeout(const char *text, unsigned *ms)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    *ms = (unsigned)value;
    return end != text && !*end && value > 0 && value <= 3600000;
}

int plugin_test(int argc, char **argv)
{
    static const struct option options[] = {{"settings", required_argument, NULL, 's'},
                                            {"timeout", required_argument, NULL, 't'},
                                            {"bench", no_argument, NULL, 'b'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct wish wish = {.settings = "{}", .timeout_ms = TIMEOUT_MS};
    bool right = true;
    int option;

    optind = 1;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 's': wish.settings = optarg; break;
        case 't': right = parse_timeout(optarg, &wish.timeout_ms) && right; break;
        case 'b': wish.bench = true; break;
        case 'h': fputs(HELP, stdout); return COMMAND_OK;
        default: right = false; break;
        }
    }
    if (!right || (argc - optind != 1 && argc - optind != 3) || (wish.bench && argc - optind != 3)) {
        fputs(HELP, stderr);
        return COMMAND_USAGE;
    }
    wish.file = argv[optind];
    if (argc - optind == 3) {
        wish.tool = argv[optind + 1];
        wish.args = argv[optind + 2];
    }
    return test(&wish);
}
