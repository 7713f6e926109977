#include "plugin/isolate_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "plugin/loader.h"
#include "plugin/registration.h"
#include "base/banned.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010u /* Linux 6.3 */
#endif

/* ---- the sealed copy ---- */

static int new_image(const char *name)
{
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = memfd_create(name, flags | MFD_EXEC);

    return fd < 0 && errno == EINVAL ? memfd_create(name, flags) : fd;
}

static enum antiphon_status copy_image(int from, const char *name, int *image, struct err *err)
{
    struct stat st;
    off_t at = 0;

    if (fstat(from, &st) != 0)
        return err_set(err, ANTIPHON_EUNAVAILABLE, "file: %s", strerror(errno));
    if (st.st_size > ISOLATE_MAX_IMAGE)
        return err_set(err, ANTIPHON_ETOOBIG, "file: it has more than %lld bytes", (long long)ISOLATE_MAX_IMAGE);
    int fd = new_image(name);
    if (fd < 0)
        return err_set(err, ANTIPHON_EUNAVAILABLE, "file: no memory for a copy: %s", strerror(errno));
    while (at < st.st_size) {
        ssize_t n = sendfile(fd, from, &at, (size_t)(st.st_size - at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            close(fd);
            return err_set(err, ANTIPHON_EUNAVAILABLE, "file: cannot be read: %s",
                           n < 0 ? strerror(errno) : "it became shorter meanwhile");
        }
    }
    (void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    *image = fd;
    return ANTIPHON_OK;
}

/* ---- life ---- */

static enum antiphon_status read_permissions(struct isolate_gen *gen, struct err *err)
{
    const cJSON *permissions = gen->manifest ? json_get(manifest_tree(gen->manifest), "permissions") : NULL;
    struct buf text;

    if (!permissions)
        return ANTIPHON_OK;
    buf_init(&text, (size_t)256 << 10);
    enum antiphon_status status = json_print(permissions, &text);
    gen->permissions = buf_take(&text);
    buf_deinit(&text);
    return status || !gen->permissions ? err_set(err, ANTIPHON_ENOMEM, "manifest: no memory") : ANTIPHON_OK;
}

static void init(struct isolate_gen *gen, struct isolate *isolate, uint64_t memory)
{
    gen->isolate = isolate;
    gen->memory = memory ? memory : ISOLATE_MEMORY;
    gen->image = -1;
    gen->state = ISOLATE_STARTING;
    gen->out_last = &gen->out;
    for (int i = 0; i < ISOLATE_FDS; i++)
        gen->source[i] = (struct isolate_source){gen, (enum isolate_fd)i, -1};
    pthread_mutex_init(&gen->lock, NULL);
    buf_init(&gen->wire, RUNNER_MAX_MESSAGE);
    buf_init(&gen->in, RUNNER_MAX_MESSAGE);
}

enum antiphon_status isolate_gen_new(struct isolate *isolate, const char *const *dirs, const char *name,
                                     uint64_t memory, struct isolate_gen **gen, struct err *err)
{
    struct isolate_gen *made = calloc(1, sizeof(*made));
    char *path = NULL;
    int file = -1;

    if (!made)
        return err_set(err, ANTIPHON_ENOMEM, "find: no memory");
    init(made, isolate, memory);
    made->name = strdup(name);
    made->tools = calloc(HOST_MAX_TOOLS, sizeof(*made->tools));
    made->hooks = calloc(HOST_MAX_HOOKS, sizeof(*made->hooks));
    enum antiphon_status status = ANTIPHON_OK;
    if (!made->name || !made->tools || !made->hooks || host_new(made->name, &isolate->services, &made->host))
        status = err_set(err, ANTIPHON_ENOMEM, "find: no memory");
    if (!status)
        status = loader_find(dirs, name, &path, &file, &made->manifest, err);
    if (!status)
        status = copy_image(file, name, &made->image, err);
    if (!status)
        status = read_permissions(made, err);
    if (!status)
        host_set_manifest(made->host, made->manifest);
    if (file >= 0)
        close(file);
    free(path);
    if (status)
        isolate_gen_free(made);
    else
        *gen = made;
    return status;
}

struct isolate_gen *isolate_gen_broken(struct isolate *isolate, const char *name, const struct err *why)
{
    struct isolate_gen *made = calloc(1, sizeof(*made));

    if (!made)
        return NULL;
    init(made, isolate, 0);
    made->state = ISOLATE_BROKEN;
    made->ended = true;
    made->why = *why;
    made->name = strdup(name);
    if (made->name)
        return made;
    isolate_gen_free(made);
    return NULL;
}

static void wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

static bool is_dynamic(const struct isolate_gen *gen)
{
    return gen->manifest && json_get_bool(manifest_tree(gen->manifest), "dynamic_tools", false);
}

static void free_tools(struct isolate_gen *gen)
{
    for (size_t i = 0; gen->tools && i < gen->n_tools; i++)
        free(gen->tools[i].texts);
    free(gen->tools);
    gen->tools = NULL;
    gen->n_tools = 0;
}

void isolate_gen_free(struct isolate_gen *gen)
{
    if (!gen)
        return;
    free_tools(gen);
    for (size_t i = 0; gen->hooks && i < gen->n_hooks; i++)
        free(gen->hooks[i].texts);
    for (int i = 0; i < ISOLATE_FDS; i++) {
        if (gen->source[i].fd >= 0)
            close(gen->source[i].fd);
    }
    if (gen->image >= 0)
        close(gen->image);
    isolate_drop_queue(gen);
    host_free(gen->host);
    secrets_free(gen->secrets);
    if (!gen->registered)
        manifest_free(gen->manifest);
    wipe(gen->config);
    buf_deinit(&gen->wire);
    buf_deinit(&gen->in);
    pthread_mutex_destroy(&gen->lock);
    free(gen->hooks);
    free(gen->permissions);
    free(gen->version);
    free(gen->name);
    free(gen);
}

/* ---- what a runner tells while it starts; [plugins] ---- */

void isolate_gen_on_config(struct isolate_gen *gen, const struct runner_message *message)
{
    struct isolate *isolate = gen->isolate;
    struct runner_message answer = {.type = RUNNER_CONFIG, .number = message->number};

    /* Asked once: what a process is given after a crash is what the first one was given. */
    if (!gen->config) {
        if (isolate->config)
            answer.status = isolate->config(isolate->config_ctx, gen->name, message->text[0].data, &gen->config);
        if (!answer.status)
            answer.status = secrets_take(message->text[0].data, &gen->config, &gen->secrets, NULL);
        host_set_secrets(gen->host, gen->secrets);
    }
    answer.text[0] = runner_text(answer.status ? NULL : gen->config);
    isolate_reply(gen, gen->incarnation, &answer);
}

/* Copies texts into memory of their own; false: no memory. */
static bool own(const struct runner_message *message, unsigned n, struct runner_text *texts, char **memory)
{
    size_t size = 1;

    for (unsigned i = 0; i < n; i++)
        size += message->text[i].len + 1;
    char *at = *memory = malloc(size);
    for (unsigned i = 0; at && i < n; i++) {
        texts[i] = (struct runner_text){NULL, message->text[i].len};
        if (!message->text[i].data)
            continue;
        texts[i].data = memcpy(at, message->text[i].data, message->text[i].len + 1);
        at += message->text[i].len + 1;
    }
    return *memory != NULL;
}

void isolate_gen_on_tool(struct isolate_gen *gen, const struct runner_message *message)
{
    struct runner_text texts[7];

    if (gen->registered && !is_dynamic(gen))
        return; /* started again: what it registers is known */
    if (gen->n_tools == HOST_MAX_TOOLS || message->value[0] > UINT32_MAX) {
        isolate_fail(gen, "register: more than %d tools", HOST_MAX_TOOLS);
        return;
    }
    if (!gen->tools)
        gen->tools = calloc(HOST_MAX_TOOLS, sizeof(*gen->tools));
    if (!gen->tools) {
        isolate_fail(gen, "register: no memory");
        return;
    }
    struct isolate_tool *tool = &gen->tools[gen->n_tools];
    if (!own(message, 7, texts, &tool->texts)) {
        isolate_fail(gen, "register: no memory");
        return;
    }
    tool->tool = (struct antiphon_tool){
        .struct_size = sizeof(tool->tool),
        .flags = message->flags,
        .timeout_ms = (uint32_t)message->value[0],
        .name = texts[0].data,
        .description = texts[1].data,
        .params_schema = texts[2].data,
        .native_feature = texts[3].data,
        .native_fragment = texts[4].data,
        .scheduling = texts[5].data,
        .invoke = message->value[1] & RUNNER_TOOL_INVOKE ? isolate_call_invoke : NULL,
        /* Always: the runner has to know, whether or not the tool wants to. */
        .cancel = message->value[1] & RUNNER_TOOL_INVOKE ? isolate_call_cancel : NULL,
        .undo = message->value[1] & RUNNER_TOOL_UNDO ? isolate_call_invoke : NULL,
        .set = texts[6].data};
    gen->n_tools++;
}

void isolate_gen_on_hook(struct isolate_gen *gen, const struct runner_message *message)
{
    struct runner_text name;

    if (gen->registered)
        return;
    if (gen->n_hooks == HOST_MAX_HOOKS || message->value[0] > UINT32_MAX || message->value[1] > UINT32_MAX) {
        isolate_fail(gen, "register: more than %d hooks", HOST_MAX_HOOKS);
        return;
    }
    struct isolate_hook *hook = &gen->hooks[gen->n_hooks];
    if (!own(message, 1, &name, &hook->texts)) {
        isolate_fail(gen, "register: no memory");
        return;
    }
    hook->hook = (struct antiphon_hook){.struct_size = sizeof(hook->hook),
                                        .flags = message->flags,
                                        .points = (uint32_t)message->value[0],
                                        .budget_ms = (uint32_t)message->value[1],
                                        .name = name.data,
                                        .run = isolate_call_hook(gen->n_hooks)};
    gen->n_hooks++;
}

/* init() of the plugin that stands in the registry for the one in the process. */
static enum antiphon_status register_all(const struct antiphon_host *h, const char *config, void **state, char *why,
                                         size_t why_size)
{
    struct isolate_gen *gen = *state;
    enum antiphon_status status = ANTIPHON_OK;

    (void)config, (void)why, (void)why_size;
    for (size_t i = 0; i < gen->n_tools && !status; i++)
        status = h->add_tool(h, &gen->tools[i].tool);
    for (size_t i = 0; i < gen->n_hooks && !status; i++)
        status = h->add_hook(h, &gen->hooks[i].hook);
    return status;
}

static void retire_older(struct isolate_gen *gen)
{
    struct isolate *isolate = gen->isolate;
    unsigned newest = 0;

    pthread_mutex_lock(&isolate->lock);
    for (struct isolate_gen *other = isolate->gens; other; other = other->next) {
        if (other == gen || !other->registered || strcmp(other->name, gen->name) != 0)
            continue;
        newest = other->number > newest ? other->number : newest;
        pthread_mutex_lock(&other->lock);
        other->retired = true;
        pthread_mutex_unlock(&other->lock);
    }
    pthread_mutex_lock(&gen->lock);
    gen->number = newest + 1;
    pthread_mutex_unlock(&gen->lock);
    pthread_mutex_unlock(&isolate->lock);
}

static enum antiphon_status offer(struct isolate_gen *gen, const char *version, struct err *err)
{
    char *copy = strdup(version);
    if (!copy)
        return err_set(err, ANTIPHON_ENOMEM, "register: no memory");
    pthread_mutex_lock(&gen->lock);
    gen->version = copy;
    pthread_mutex_unlock(&gen->lock);
    gen->plugin = (struct antiphon_plugin){.struct_size = sizeof(gen->plugin),
                                           .name = gen->name,
                                           .version = gen->version,
                                           .init = register_all};
    const struct registry_source source = {
        .plugin = &gen->plugin, .manifest = gen->manifest, .state = gen, .config = gen->config};
    enum antiphon_status status = registry_add(gen->isolate->registry, &source, err);
    if (!status) {
        retire_older(gen);
        free_tools(gen); /* the registry has copies */
    }
    return status;
}

/* It has told its tools once more: after set_tools(), or because it was started again. */
static void change_tools(struct isolate_gen *gen)
{
    struct registry_tool *copies = calloc(gen->n_tools + 1, sizeof(*copies));
    struct err err = {0};
    size_t n = 0;

    pthread_mutex_lock(&gen->lock);
    bool mine = !gen->retired;
    pthread_mutex_unlock(&gen->lock);
    enum antiphon_status status = copies ? ANTIPHON_OK : err_set(&err, ANTIPHON_ENOMEM, "no memory");
    for (; n < gen->n_tools && mine && !status; n += !status)
        status = registration_tool(&gen->tools[n].tool, &copies[n], &err);
    if (mine && is_dynamic(gen) && !status)
        status = registry_set_tools(gen->isolate->registry, gen->name, copies, n, &err);
    if (status)
        log_error("plugin", "%s: its tools cannot be changed: %s", gen->name, err.text);
    for (size_t i = 0; status && i < n; i++)
        registration_tool_free(&copies[i]);
    free(copies);
    free_tools(gen);
}

void isolate_gen_on_ready(struct isolate_gen *gen, const struct runner_message *message)
{
    struct err err = {0};

    if (gen->registered)
        change_tools(gen);
    if (gen->state != ISOLATE_STARTING)
        return;
    if (!gen->registered && offer(gen, message->text[0].data, &err)) {
        isolate_fail(gen, "%s", err.text);
        return;
    }
    gen->ready_ms = clock_now_ms();
    pthread_mutex_lock(&gen->isolate->lock);
    gen->registered = true;
    pthread_mutex_lock(&gen->lock);
    gen->state = ISOLATE_OK;
    pthread_mutex_unlock(&gen->lock);
    pthread_cond_broadcast(&gen->isolate->changed);
    pthread_mutex_unlock(&gen->isolate->lock);
    isolate_call_send_waiting(gen);
    if (gen->restarts == 0)
        log_info("plugin", "%s: version %s is offered to new conversations, from process %d", gen->name, gen->version,
                 gen->pid);
}
