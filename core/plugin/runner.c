#include "plugin/runner_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/thread.h"
#include "plugin/host.h"
#include "plugin/sandbox.h"
#include "base/banned.h"

#define STACK_BYTES ((size_t)1 << 20) /* of a thread: address space is limited */
#define END_MS      1000              /* for calls to end */

struct start { /* what LOAD said */
    char *name;
    bool self_test;
};
static struct runner the_runner; /* one a process; [main] until the threads are started */
static struct start the_start;

/* ---- what a runner tells about its plugin ---- */

static void say_failed(struct runner *runner, const struct err *err)
{
    const struct runner_message message = {
        .type = RUNNER_FAILED, .status = err->status, .text = {runner_text(err->text)}};

    (void)runner_send(runner, &message);
    _exit(RUNNER_EXIT_FAILED);
}

static enum antiphon_status say_tools(struct runner *runner)
{
    const struct registry_tool *tools[HOST_MAX_TOOLS];
    size_t n = registry_list(runner->registry, NULL, tools, HOST_MAX_TOOLS, false);
    enum antiphon_status status = ANTIPHON_OK;

    for (size_t i = 0; i < n && !status; i++) {
        const struct antiphon_tool *tool = &tools[i]->tool;
        const struct runner_message message = {
            .type = RUNNER_TOOL,
            .flags = tool->flags,
            .value = {tool->timeout_ms, (tool->invoke ? RUNNER_TOOL_INVOKE : 0) |
                                            (tool->cancel ? RUNNER_TOOL_CANCEL : 0) |
                                            (tool->undo ? RUNNER_TOOL_UNDO : 0)},
            .text = {runner_text(tool->name), runner_text(tool->description), runner_text(tool->params_schema),
                     runner_text(tool->native_feature), runner_text(tool->native_fragment),
                     runner_text(tool->scheduling), runner_text(tool->set)}};
        status = runner_send(runner, &message);
    }
    return status;
}

static enum antiphon_status say_hooks(struct runner *runner)
{
    const struct registry_hook *hooks;
    size_t n = registry_hooks(runner->registry, &hooks);
    enum antiphon_status status = ANTIPHON_OK;

    for (size_t i = 0; i < n && !status; i++) {
        const struct runner_message message = {.type = RUNNER_HOOK,
                                               .flags = hooks[i].hook.flags,
                                               .value = {hooks[i].hook.points, hooks[i].hook.budget_ms},
                                               .text = {runner_text(hooks[i].hook.name)}};
        status = runner_send(runner, &message);
    }
    return status;
}

static void note_version(void *ctx, const char *name, const char *version)
{
    const char **to = ctx;

    (void)name;
    *to = version;
}

static void say_ready(struct runner *runner)
{
    struct err err = {0};
    const char *version = "";

    pthread_mutex_lock(&runner->tools_lock);
    if (say_tools(runner) || say_hooks(runner)) {
        err_set(&err, ANTIPHON_ETOOBIG, "register: what it registers is too large");
        say_failed(runner, &err);
    }
    registry_each(runner->registry, note_version, &version);
    const struct runner_message message = {.type = RUNNER_READY, .text = {runner_text(version)}};
    pthread_mutex_lock(&runner->lock);
    runner->loaded = true; /* from here on shutdown() is due */
    pthread_mutex_unlock(&runner->lock);
    (void)runner_send(runner, &message);
    runner->told = true;
    pthread_mutex_unlock(&runner->tools_lock);
}

void runner_tools_changed(struct runner *runner)
{
    pthread_mutex_lock(&runner->tools_lock);
    bool told = runner->told; /* else say_ready() is still to come */
    pthread_mutex_unlock(&runner->tools_lock);
    if (told)
        say_ready(runner);
}

/* ---- [load] ---- */

static enum antiphon_status ask_config(void *ctx, const char *plugin, const char *schema_text, char **json)
{
    struct runner_message message = {.type = RUNNER_ASK_CONFIG, .text = {runner_text(schema_text)}};
    struct runner_answer answer;
    enum antiphon_status status = runner_ask(ctx, &message, &answer);

    (void)plugin;
    if (!status && !answer.data)
        status = ANTIPHON_EPROTOCOL;
    if (!status) {
        *json = answer.data;
        answer.data = NULL;
    }
    runner_answer_deinit(&answer);
    return status;
}

static void *load_main(void *arg)
{
    struct runner *runner = arg;
    struct err err = {0};
    const struct registry_model *models;

    enum antiphon_status status =
        registry_load_fd(runner->registry, RUNNER_FD_PLUGIN, the_start.name, ask_config, runner, &err);
    if (!status && registry_models(runner->registry, &models) > 0)
        status = err_set(&err, ANTIPHON_EUNAVAILABLE,
                         "register: model %s: models work in the server's own process only; say `isolation: thread` "
                         "under plugins.%s if you trust it",
                         models[0].model.name, the_start.name);
    if (!status && the_start.self_test)
        status = registry_self_test(runner->registry, the_start.name, &err);
    if (status)
        say_failed(runner, &err);
    say_ready(runner);
    return NULL;
}

static void *end_main(void *arg)
{
    struct runner *runner = arg;

    pthread_mutex_lock(&runner->lock);
    bool loaded = runner->loaded;
    pthread_mutex_unlock(&runner->lock);
    if (!loaded)
        _exit(0); /* in the middle of init(): there is nothing to clean up yet */
    alarms_free(runner->alarms);
    pool_free(runner->calls_pool, END_MS);
    registry_free(runner->registry);
    _exit(0); /* threads of the plugin's may still run: no clean-up would be safe */
}

static void start_thread(void *(*run)(void *), const char *name)
{
    pthread_t thread;
    sigset_t all, was;

    thread_blocked(&all);
    pthread_sigmask(SIG_SETMASK, &all, &was);
    if (pthread_create(&thread, NULL, run, &the_runner) != 0)
        _exit(RUNNER_EXIT_LOST);
    pthread_setname_np(thread, name);
    pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &was, NULL);
}

/* ---- [main] ---- */

static void to_server(void *ctx, enum antiphon_log_level level, const char *text)
{
    const struct runner_message message = {.type = RUNNER_LOG, .flags = (uint32_t)level, .text = {runner_text(text)}};

    (void)runner_send(ctx, &message);
}

static void take_paths(const cJSON *list, const char **paths)
{
    const cJSON *item;
    size_t n = 0;

    cJSON_ArrayForEach (item, list) {
        if (cJSON_IsString(item) && n < SANDBOX_MAX_FILES)
            paths[n++] = item->valuestring;
    }
}

static enum antiphon_status lock_in(const struct runner_message *load, struct err *err)
{
    struct sandbox sandbox = {.memory = load->value[0]};
    cJSON *permissions = NULL;
    enum antiphon_status status = ANTIPHON_OK;

    if (load->text[1].data)
        status = json_parse(load->text[1].data, load->text[1].len, NULL, &permissions, err);
    if (!status) {
        sandbox.net = json_get_bool(permissions, "net", false);
        sandbox.exec = json_get_bool(permissions, "exec", false);
        take_paths(json_get(permissions, "files"), sandbox.read);
        take_paths(json_get(permissions, "files_write"), sandbox.write);
        status = sandbox_enter(&sandbox, err);
    }
    cJSON_Delete(permissions);
    if (status)
        err_prefix(err, "sandbox");
    return status;
}

static void event_thread_rules(struct pool_job *job, bool dropped)
{
    (void)job;
    (void)dropped;
    thread_forbid_blocking();
}

static enum antiphon_status start_threads(struct runner *runner)
{
    static struct pool_job rules = {.run = event_thread_rules};
    struct host_services services;
    pthread_attr_t attr;
    enum antiphon_status status;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_setattr_default_np(&attr);
    pthread_attr_destroy(&attr);
    (void)mallopt(M_ARENA_MAX, 2); /* each reserves address space */
    runner_services(runner, &services);
    status = registry_new(&services, &runner->registry);
    if (!status)
        status = pool_new("calls", RUNNER_THREADS, RUNNER_MAX_JOBS, &runner->calls_pool);
    if (!status)
        status = pool_new("events", 1, 2 * RUNNER_MAX_JOBS, &runner->events_pool);
    if (!status)
        status = pool_submit(runner->events_pool, &rules);
    return status ? status : alarms_new(runner->calls_pool, &runner->alarms);
}

static void on_load(struct runner *runner, const struct runner_message *message)
{
    struct err err = {0};

    if (the_start.name)
        _exit(RUNNER_EXIT_LOST);
    the_start.name = strdup(message->text[0].data);
    the_start.self_test = message->flags & RUNNER_LOAD_SELF_TEST;
    log_set_sink(to_server, runner);
    log_set_level((enum antiphon_log_level)message->value[1]);
    enum antiphon_status status = the_start.name ? lock_in(message, &err) : ANTIPHON_ENOMEM;
    if (!status)
        status = start_threads(runner);
    if (status) {
        if (!err.text[0])
            err_set(&err, status, "runner: %s", status_name(status));
        say_failed(runner, &err);
    }
    start_thread(load_main, "load");
}

static void dispatch(struct runner *runner, const struct runner_message *message)
{
    if (message->type != RUNNER_LOAD && !the_start.name)
        _exit(RUNNER_EXIT_LOST);
    switch (message->type) {
    case RUNNER_LOAD: on_load(runner, message); break;
    case RUNNER_CONFIG:
    case RUNNER_ANSWER: runner_on_answer(runner, message); break;
    case RUNNER_ROW: runner_on_row(runner, message); break;
    case RUNNER_HTTP_DONE: runner_on_http_done(runner, message); break;
    case RUNNER_HTTP_PART: runner_on_http_part(runner, message); break;
    case RUNNER_CALL: runner_on_call(runner, message); break;
    case RUNNER_CANCEL: runner_on_cancel(runner, message); break;
    case RUNNER_CHECK: runner_on_check(runner, message); break;
    case RUNNER_SHUTDOWN: start_thread(end_main, "end"); break;
    default: _exit(RUNNER_EXIT_LOST);
    }
}

static bool is_socket(int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

int runner_main(void)
{
    struct runner *runner = &the_runner;
    struct runner_message message;
    struct buf wire;
    pid_t server = getppid();

    if (!is_socket(RUNNER_FD_SOCKET))
        return RUNNER_EXIT_USAGE;
    /* The server may have died before this; then the socket says so. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != server)
        return RUNNER_EXIT_LOST;
    (void)syscall(SYS_close_range, RUNNER_FD_PLUGIN + 1, ~0u, 0);
    pthread_mutex_init(&runner->send_lock, NULL);
    pthread_mutex_init(&runner->lock, NULL);
    pthread_mutex_init(&runner->tools_lock, NULL);
    pthread_cond_init(&runner->answered, NULL);
    buf_init(&runner->wire, RUNNER_MAX_MESSAGE);
    buf_init(&wire, RUNNER_MAX_MESSAGE);
    for (;;) {
        runner_receive(&wire, &message);
        dispatch(runner, &message);
    }
}
