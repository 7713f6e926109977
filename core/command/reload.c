#include "command/reload.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "config/config_isolation.h"
#include "base/banned.h"

#define MAX_PATH  4096
#define MAX_NAME  64
#define LOOK_EACH (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ATTRIB)

/* The file that was looked at last under a plugin's name. */
struct file {
    char name[MAX_NAME];
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct reload {
    struct assembly *assembly; /* borrowed */
    pthread_t thread;
    int inotify, wake;
    atomic_bool stopping, asked;
    /* [reload] */
    struct file files[RELOAD_MAX_FILES];
    size_t n_files;
};

/* ---- files ---- */

static bool look_at(const struct reload *reload, const char *name, struct file *file)
{
    char path[MAX_PATH];
    struct stat st;

    for (size_t i = 0; i < CONFIG_MAX_PLUGIN_DIRS && reload->assembly->config->plugin_dirs[i]; i++) {
        int n = snprintf(path, sizeof(path), "%s/%s.so", reload->assembly->config->plugin_dirs[i], name);
        if (n < 0 || (size_t)n >= sizeof(path) || stat(path, &st) != 0)
            continue;
        *file = (struct file){
            .device = st.st_dev, .inode = st.st_ino, .size = st.st_size, .changed = st.st_mtim};
        (void)snprintf(file->name, sizeof(file->name), "%s", name);
        return true;
    }
    return false;
}

/* Whether the file is not the one that was looked at last; remembers it. */
static bool is_new(struct reload *reload, const char *name)
{
    struct file now, *known = NULL;

    if (strlen(name) >= MAX_NAME || !look_at(reload, name, &now))
        return false;
    for (size_t i = 0; i < reload->n_files && !known; i++) {
        if (strcmp(reload->files[i].name, name) == 0)
            known = &reload->files[i];
    }
    if (!known && reload->n_files == RELOAD_MAX_FILES) {
        log_error("plugin", "%s.so: too many files to watch", name);
        return false;
    }
    bool changed = !known || known->device != now.device || known->inode != now.inode || known->size != now.size ||
                   known->changed.tv_sec != now.changed.tv_sec || known->changed.tv_nsec != now.changed.tv_nsec;
    if (!known)
        known = &reload->files[reload->n_files++];
    *known = now;
    return changed;
}

/* ---- plugins ---- */

static void say_failure(const struct reload *reload, const char *name, const struct report *report,
                        const struct err *err)
{
    bool there = registry_loaded(reload->assembly->registry, name);

    if (strstr(err->text, "is truncated"))
        log_info("plugin", "%s.so is not whole yet", name);
    else
        log_error("plugin", "%s%s%.*s%s", err->text, report->faults ? "; " : "",
                  (int)strcspn(buf_text(&report->text), "\n"), buf_text(&report->text),
                  there ? "; the version that runs stays" : "");
}

static void take(struct reload *reload, const char *name)
{
    struct assembly *assembly = reload->assembly;
    struct config_isolation isolation = {0};
    struct report report;
    struct err err = {0};
    bool process = false;

    if (assembly->config->safe_mode && !config_isolation_is_shipped(assembly->config, name))
        return;
    report_init(&report);
    if (!config_isolation(assembly->config, name, &report, &isolation) && !isolation.process) {
        log_warn("plugin", "%s.so has changed: a plugin in the server's own process is replaced by a restart only", name);
    } else if (assembly_load_plugin(assembly, name, &report, &process, &err)) {
        if (!atomic_load(&reload->stopping))
            say_failure(reload, name, &report, &err);
    }
    report_deinit(&report);
}

typedef void name_fn(struct reload *reload, const char *name);

struct visit {
    struct reload *reload;
    name_fn *fn;
};

static void visit(void *ctx, const char *name, const char *version)
{
    const struct visit *at = ctx;

    (void)version;
    at->fn(at->reload, name);
}

/* The plugin that says it has the tool, if nothing that is loaded has it. */
static void visit_owner(struct reload *reload, const char *tool, name_fn *fn)
{
    const char *const *dirs = (const char *const *)reload->assembly->config->plugin_dirs;
    const char *owner, *other;

    if (registry_tool(reload->assembly->registry, tool) || registry_available(dirs, tool))
        return;
    owner = assembly_owner(reload->assembly, tool, &other);
    if (owner && !other)
        fn(reload, owner);
    else if (owner)
        log_error("plugin", "the plugins %s and %s both have a tool '%s'; neither is loaded", owner, other, tool);
}

/* What is loaded, and what the settings or an agent name, whether or not it could be loaded before. */
static void each_name(struct reload *reload, name_fn *fn)
{
    struct assembly *assembly = reload->assembly;
    struct visit loaded = {reload, fn};
    const cJSON *entry;

    registry_each(assembly->registry, visit, &loaded);
    assembly_look_again(assembly);

    cJSON_ArrayForEach (entry, assembly->config->plugins) fn(reload, entry->string);
    for (size_t i = 0; i < agents_count(assembly->agents); i++) {
        const struct agent *agent = agents_at(assembly->agents, i);
        fn(reload, agent->live.provider);
        for (size_t t = 0; t < agent->tools_n; t++) {
            fn(reload, agent->tools[t].name);
            visit_owner(reload, agent->tools[t].name, fn);
        }
    }
}

static void remember(struct reload *reload, const char *name)
{
    (void)is_new(reload, name);
}

static void check(struct reload *reload, const char *name)
{
    if (!atomic_load(&reload->stopping) && is_new(reload, name))
        take(reload, name);
}

/* ---- [reload] ---- */

static void drain(int fd)
{
    char events[4096];

    while (read(fd, events, sizeof(events)) > 0)
        ;
}

static void *reload_main(void *arg)
{
    struct reload *reload = arg;
    struct pollfd fds[2] = {{.fd = reload->inotify, .events = POLLIN}, {.fd = reload->wake, .events = POLLIN}};
    bool pending = false;

    pthread_setname_np(pthread_self(), "reload");
    while (!atomic_load(&reload->stopping)) {
        int n = poll(fds, 2, pending ? RELOAD_STILL_MS : -1);
        drain(reload->inotify);
        drain(reload->wake);
        bool asked = atomic_exchange(&reload->asked, false);
        if (asked || (pending && n == 0)) {
            pending = false;
            each_name(reload, check);
            if (asked && !atomic_load(&reload->stopping))
                log_info("plugin", "the plugin folders were looked at");
        } else {
            pending = true;
        }
    }
    return NULL;
}

/* ---- [main] ---- */

static void watch_folders(const struct reload *reload)
{
    for (size_t i = 0; i < CONFIG_MAX_PLUGIN_DIRS && reload->assembly->config->plugin_dirs[i]; i++) {
        if (inotify_add_watch(reload->inotify, reload->assembly->config->plugin_dirs[i], LOOK_EACH) < 0 &&
            errno != ENOENT)
            log_warn("plugin", "%s cannot be watched (%s); SIGHUP makes the server look there",
                     reload->assembly->config->plugin_dirs[i], strerror(errno));
    }
}

static void reload_free(struct reload *reload)
{
    if (reload->inotify >= 0)
        close(reload->inotify);
    if (reload->wake >= 0)
        close(reload->wake);
    free(reload);
}

enum antiphon_status reload_start(struct assembly *assembly, struct reload **reload, struct err *err)
{
    struct reload *made = calloc(1, sizeof(*made));
    sigset_t all, was;

    if (!made)
        return err_set(err, ANTIPHON_ENOMEM, "no memory to watch plugins");
    made->assembly = assembly;
    made->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    made->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made->inotify < 0 || made->wake < 0) {
        reload_free(made);
        return err_set(err, ANTIPHON_EUNAVAILABLE, "cannot watch plugins: %s", strerror(errno));
    }
    watch_folders(made);
    each_name(made, remember);
    thread_blocked(&all);
    pthread_sigmask(SIG_SETMASK, &all, &was);
    int rc = pthread_create(&made->thread, NULL, reload_main, made);
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    if (rc) {
        reload_free(made);
        return err_set(err, ANTIPHON_EUNAVAILABLE, "cannot start the thread that watches plugins: %s", strerror(rc));
    }
    *reload = made;
    return ANTIPHON_OK;
}

static void wake(struct reload *reload)
{
    uint64_t one = 1;

    (void)!write(reload->wake, &one, sizeof(one));
}

void reload_now(struct reload *reload)
{
    atomic_store(&reload->asked, true);
    wake(reload);
}

void reload_stop(struct reload *reload)
{
    if (!reload)
        return;
    atomic_store(&reload->stopping, true);
    wake(reload);
    pthread_join(reload->thread, NULL);
    reload_free(reload);
}
