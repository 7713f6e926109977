#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/command.h"
#include "command/options.h"
#include "command/plugin_command.h"
#include "config/config_isolation.h"
#include "net/http_client.h"
#include "plugin/loader.h"
#include "store/store_lock.h"
#include "base/banned.h"

#define MAX_LISTED 512
#define ANSWER_MS  2000

/* ---- what a running server says ---- */

struct answer {
    pthread_mutex_t lock;
    pthread_cond_t came;
    bool there;
    char *text; /* owned; NULL: no server answered */
};

static void on_answer(void *ctx, const struct antiphon_http_response *response)
{
    struct answer *answer = ctx;

    pthread_mutex_lock(&answer->lock);
    if (!response->status && (response->http_status == 200 || response->http_status == 503))
        answer->text = strndup(response->body, response->body_len);
    answer->there = true;
    pthread_cond_signal(&answer->came);
    pthread_mutex_unlock(&answer->lock);
}

static char *ask_server(const struct config *config)
{
    struct answer answer = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};
    struct http_client *client = NULL;
    struct err err;
    char url[320];

    (void)snprintf(url, sizeof(url), strchr(config->host, ':') ? "http://[%s]:%d/readyz" : "http://%s:%d/readyz",
                   config->host, config->port);
    const struct antiphon_http_request request = {.struct_size = sizeof(request),
                                                  .timeout_ms = ANSWER_MS,
                                                  .max_body = 256 << 10,
                                                  .flags = ANTIPHON_HTTP_ALLOW_PRIVATE,
                                                  .method = "GET",
                                                  .url = url};
    if (config->port == 0 || http_client_start(&client, &err))
        return NULL;
    if (!http_client_submit(client, &request, on_answer, &answer)) {
        pthread_mutex_lock(&answer.lock);
        while (!answer.there)
            pthread_cond_wait(&answer.came, &answer.lock);
        pthread_mutex_unlock(&answer.lock);
    }
    http_client_stop(client);
    return answer.text;
}

/* The rest of the line "plugin NAME: ...", into text. */
static void said_of(const char *answer, const char *name, char *text, size_t size)
{
    char wanted[80];

    (void)snprintf(wanted, sizeof(wanted), "\nplugin %s: ", name);
    const char *found = answer ? strstr(answer, wanted) : NULL;
    if (found) {
        found += strlen(wanted);
        (void)snprintf(text, size, "%.*s", (int)strcspn(found, "\n"), found);
    } else {
        (void)snprintf(text, size, "%s", answer ? "not in a process of its own, or not loaded" : "-");
    }
}

/* ---- what there is ---- */

struct list {
    char *name[MAX_LISTED]; /* owned */
    size_t n;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void take_name(struct list *list, const char *file)
{
    size_t len = strlen(file);

    if (len <= 3 || strcmp(file + len - 3, ".so") != 0 || list->n == MAX_LISTED)
        return;
    char *name = strndup(file, len - 3);
    for (size_t i = 0; name && i < list->n; i++) {
        if (strcmp(list->name[i], name) == 0) {
            free(name); /* an earlier folder wins */
            return;
        }
    }
    if (name)
        list->name[list->n++] = name;
}

/* false: it cannot be read. */
static bool take_folder(struct list *list, const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;

    if (!folder) {
        (void)fprintf(stderr, "antiphon plugin list: %s: %s\n", path, strerror(errno));
        return false;
    }
    while ((entry = readdir(folder)))
        take_name(list, entry->d_name);
    closedir(folder);
    return true;
}

static void print_tools(const struct manifest *manifest)
{
    const cJSON *tree = manifest_tree(manifest), *tool;
    bool first = true;

    cJSON_ArrayForEach (tool, json_get(tree, "tools")) {
        const char *name = json_get_string(tool, "name");
        printf("%s%s", first ? "; tools: " : ", ", name ? name : "");
        first = false;
    }
    if (json_get(tree, "models"))
        printf("%s", "; models");
    if (json_get(tree, "hooks"))
        printf("%s", "; hooks");
}

/* One line; false if the file could not even be loaded. */
static bool print_plugin(const struct config *config, const char *name, const char *answer, struct report *report)
{
    struct config_isolation isolation = {0};
    struct manifest *manifest = NULL;
    struct err err = {0};
    char *path = NULL, state[512];
    int fd = -1;
    enum antiphon_status status =
        loader_find((const char *const *)config->plugin_dirs, name, &path, &fd, &manifest, &err);

    if (!status)
        status = config_isolation(config, name, report, &isolation);
    if (status) {
        printf("%-16s broken: %s\n", name, err.text[0] ? err.text : "its settings");
    } else {
        said_of(answer, name, state, sizeof(state));
        printf("%-16s %-8s %-8s %s%s; state: %s", name, manifest ? manifest_version(manifest) : "?",
               isolation.process ? "process" : "thread", path,
               config_isolation_is_shipped(config, name) ? " (shipped)" : "", state);
        if (manifest)
            print_tools(manifest);
        printf("\n");
    }
    if (fd >= 0)
        close(fd);
    free(path);
    manifest_free(manifest);
    return !status;
}

static int list_all(const struct config *config, struct report *report)
{
    struct list list = {.n = 0};
    char *answer = ask_server(config);
    bool right = true;

    for (size_t i = 0; i < CONFIG_MAX_PLUGIN_DIRS && config->plugin_dirs[i]; i++)
        right = take_folder(&list, config->plugin_dirs[i]) && right;
    qsort(list.name, list.n, sizeof(list.name[0]), by_name);
    for (size_t i = 0; i < list.n; i++) {
        right = print_plugin(config, list.name[i], answer, report) && right;
        free(list.name[i]);
    }
    free(answer);
    return right ? COMMAND_OK : COMMAND_FAILED;
}

/* ---- commands ---- */

typedef int config_fn(const struct config *config, struct report *report);

static int with_config(int argc, char **argv, const char *summary, config_fn *fn)
{
    struct config *config = NULL;
    struct config_flags flags;
    struct report report;
    int exit_code = COMMAND_FAILED;

    if (!options_parse(argc, argv, summary, &flags, &exit_code))
        return exit_code;
    report_init(&report);
    exit_code = config_load(&flags, &report, &config) ? COMMAND_FAILED : fn(config, &report);
    fputs(buf_text(&report.text), stderr);
    config_free(config);
    report_deinit(&report);
    return exit_code;
}

int plugin_list(int argc, char **argv)
{
    char name[] = "plugin list";

    argv[0] = name;
    return with_config(argc, argv,
                       "Lists the plugins in all plugin folders: name, version, where it lives, file, what a running "
                       "server says of it, tools.\nExit code 1: there is a broken one, or a folder cannot be read.",
                       list_all);
}

static int ask_to_reload(const struct config *config, struct report *report)
{
    struct err err = {0};
    char *resolved = NULL;
    long pid = 0;
    enum antiphon_status status = store_lock_resolve(config->store_path, &resolved, &err);

    (void)report;
    if (!status)
        status = store_lock_holder(resolved, &pid, &err);
    if (!status && kill((pid_t)pid, SIGHUP) != 0)
        status = err_set(&err, ANTIPHON_EDENIED, "process %ld: %s", pid, strerror(errno));
    free(resolved);
    if (status) {
        (void)fprintf(stderr, "antiphon plugin reload: %s\n", err.text);
        return COMMAND_FAILED;
    }
    printf("asked the server (process %ld) to look for new and replaced plugins; its log says what came of it\n", pid);
    return COMMAND_OK;
}

int plugin_reload(int argc, char **argv)
{
    char name[] = "plugin reload";

    argv[0] = name;
    return with_config(argc, argv,
                       "Makes the running server, which is found by its database, look for new and replaced plugins.\n"
                       "The same as SIGHUP. It also looks by itself when something in a plugin folder changes.",
                       ask_to_reload);
}
