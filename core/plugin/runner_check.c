#include "plugin/runner_impl.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/banned.h"

#define QUARANTINE 64

struct runner_check {
    struct antiphon_check check; /* first: the plugin's view */
    struct pool_job job;
    struct runner *runner;       /* borrowed */
    const struct registry_hook *hook;
    uint64_t number;
    atomic_bool decided;
    atomic_uint refs; /* the worker, the decide() that is due */
    char *texts;      /* owned */
};

static struct {
    pthread_mutex_t lock;
    struct runner_check *check[QUARANTINE]; /* owned: see runner_call.c */
    unsigned at;
} quarantine = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void unref(struct runner_check *check)
{
    if (atomic_fetch_sub(&check->refs, 1) != 1)
        return;
    pthread_mutex_lock(&quarantine.lock);
    struct runner_check *oldest = quarantine.check[quarantine.at];
    quarantine.check[quarantine.at] = check;
    quarantine.at = (quarantine.at + 1) % QUARANTINE;
    pthread_mutex_unlock(&quarantine.lock);
    if (oldest)
        free(oldest->texts);
    free(oldest);
}

static void send_decision(struct runner *runner, uint64_t number, enum antiphon_status status,
                          enum antiphon_verdict verdict, const char *text, size_t len)
{
    const struct runner_message message = {.type = RUNNER_DECIDE,
                                           .status = status,
                                           .flags = (uint32_t)verdict,
                                           .number = number,
                                           .text = {{len ? text : "", len}}};

    enum antiphon_status sent = runner_send(runner, &message);
    if (sent == ANTIPHON_ETOOBIG)
        runner_complain(runner, "the answer of a hook is too large");
    if (!sent)
        return;
    const struct runner_message failed = {.type = RUNNER_DECIDE, .status = sent, .number = number, .text = {{"", 0}}};
    if (runner_send(runner, &failed))
        _exit(RUNNER_EXIT_LOST);
}

void runner_decide(struct runner *runner, struct antiphon_check *check, enum antiphon_verdict verdict,
                   const char *text, size_t len)
{
    struct runner_check *own = (struct runner_check *)check;

    if (atomic_exchange(&own->decided, true))
        return; /* the first one counts */
    send_decision(runner, own->number, ANTIPHON_OK, verdict, text, len);
    unref(own);
}

static void run_check(struct pool_job *job, bool dropped)
{
    struct runner_check *check = (struct runner_check *)((char *)job - offsetof(struct runner_check, job));
    enum antiphon_status status = ANTIPHON_EUNAVAILABLE;

    if (!dropped)
        status = check->hook->hook.run(check->hook->state, &check->check);
    if (status && !atomic_exchange(&check->decided, true)) {
        send_decision(check->runner, check->number, status, ANTIPHON_PASS, "", 0);
        unref(check);
    }
    unref(check);
}

static const struct registry_hook *find_hook(const struct runner *runner, const char *name)
{
    const struct registry_hook *hooks;
    size_t n = registry_hooks(runner->registry, &hooks);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(hooks[i].hook.name, name) == 0)
            return &hooks[i];
    }
    return NULL;
}

void runner_on_check(struct runner *runner, const struct runner_message *message)
{
    const struct registry_hook *hook = find_hook(runner, message->text[0].data);
    struct runner_check *check = hook ? calloc(1, sizeof(*check)) : NULL;
    struct runner_text texts[9];

    if (check)
        check->texts = runner_copy_texts(message, 9, texts);
    if (!check || !check->texts) {
        free(check);
        send_decision(runner, message->number, hook ? ANTIPHON_ENOMEM : ANTIPHON_ENOTFOUND, ANTIPHON_PASS, "", 0);
        return;
    }
    check->check = (struct antiphon_check){.struct_size = sizeof(check->check),
                                           .point = message->flags,
                                           .app = texts[1].data,
                                           .user_id = texts[2].data,
                                           .session_id = texts[3].data,
                                           .agent = texts[4].data,
                                           .tool = texts[5].data,
                                           .call_id = texts[6].data,
                                           .args = texts[7].data,
                                           .args_len = texts[7].len,
                                           .text = texts[8].data,
                                           .text_len = texts[8].len,
                                           .deadline_ms = message->value[0]};
    check->job.run = run_check;
    check->runner = runner;
    check->hook = hook;
    check->number = message->number;
    atomic_init(&check->refs, 2);
    if (pool_submit(runner->calls_pool, &check->job))
        run_check(&check->job, true);
}
