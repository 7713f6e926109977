#include "session/hook_call.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/quarantine.h"
#include "base/thread.h"
#include "base/utf8.h"
#include "base/banned.h"

#define TEXTS 8
#define QUARANTINE 256

struct hook_call {
    struct antiphon_check check; /* first: the plugin's view */
    struct pool_job pool;
    struct runtime *runtime;     /* borrowed */
    const struct registry_hook *hook;
    hook_answer_fn *on_answer;
    unsigned shard;
    uint64_t session, number;
    atomic_bool decided, left;   /* left: nobody waits */
    atomic_uint refs;            /* the session, the worker until run() returned, the decide() that is due */
    atomic_uint *open;           /* of the hook */
    char *texts;                 /* owned: all texts of check */
};

/* Questions that a hook has not answered yet; hooks that share a place only look busier. */
static atomic_uint open_calls[REGISTRY_MAX_HOOKS];

/* A hook that answers twice, late and from a thread of its own, meets a call that says so instead of freed memory. */
static void *ended[QUARANTINE]; /* owned: struct hook_call */
static struct quarantine quarantine = QUARANTINE_INIT(ended);

static void call_unref(struct hook_call *call)
{
    if (atomic_fetch_sub(&call->refs, 1) != 1)
        return;
    free(call->texts);
    call->texts = NULL;
    free(quarantine_swap(&quarantine, call));
}

/* ---- the answer -------------------------------------------------------------------------------------- */

static bool is_tool_point(uint32_t point)
{
    return point == ANTIPHON_HOOK_BEFORE_TOOL || point == ANTIPHON_HOOK_AFTER_TOOL;
}

/* Whether the text may stand where the verdict puts it. */
static bool is_right(const struct hook_call *call, enum antiphon_verdict verdict, const char *text, size_t len)
{
    const struct json_limits limits = {.max_bytes = HOOK_CALL_MAX_BYTES, .max_tokens = 65536};
    bool json = is_tool_point(call->check.point) && (verdict == ANTIPHON_REWRITE || verdict == ANTIPHON_ANSWER);
    cJSON *value = NULL;

    if (verdict == ANTIPHON_PASS)
        return true;
    if (verdict < ANTIPHON_PASS || verdict > ANTIPHON_ANSWER || len > HOOK_CALL_MAX_BYTES ||
        (verdict == ANTIPHON_ANSWER && call->check.point != ANTIPHON_HOOK_BEFORE_TOOL))
        return false;
    if (!json)
        return utf8_valid(text, len) && !memchr(text, '\0', len);
    bool right = !json_parse(text, len, &limits, &value, NULL) &&
                 (verdict == ANTIPHON_ANSWER || cJSON_IsObject(value));
    cJSON_Delete(value);
    return right;
}

static void deliver(struct hook_call *call, enum antiphon_status status, enum antiphon_verdict verdict,
                    const char *text, size_t len)
{
    struct hook_answer *answer;

    if (!call->on_answer || atomic_load(&call->left))
        return;
    answer = calloc(1, sizeof(*answer) + len + 1);
    if (!answer)
        return; /* the budget answers for it */
    answer->message.session = call->session;
    answer->message.fn = call->on_answer;
    answer->number = call->number;
    answer->status = status;
    answer->verdict = verdict;
    answer->len = len;
    if (len > 0)
        memcpy(answer->text, text, len);
    sessions_post(call->runtime, call->shard, &answer->message);
}

void hook_call_decide(struct antiphon_check *check, enum antiphon_verdict verdict, const char *text, size_t len)
{
    struct hook_call *call = (struct hook_call *)check;

    if (atomic_exchange(&call->decided, true)) {
        log_error("hook", "plugin=%s hook=%s decided twice", call->hook->plugin, call->hook->hook.name);
        return;
    }
    atomic_fetch_sub(call->open, 1);
    if (is_right(call, verdict, text, len)) {
        deliver(call, ANTIPHON_OK, verdict, text, verdict == ANTIPHON_PASS ? 0 : len);
    } else {
        log_error("hook", "plugin=%s hook=%s gave an impossible verdict", call->hook->plugin, call->hook->hook.name);
        deliver(call, ANTIPHON_EPROTOCOL, ANTIPHON_PASS, "", 0);
    }
    call_unref(call);
}

/* ---- the question ---------------------------------------------------------------------------------------- */

static enum antiphon_status ask(struct hook_call *call)
{
    const struct registry_hook *hook = call->hook;

    thread_set_task(hook->plugin, "hook", hook->hook.name);
    enum antiphon_status status = hook->hook.run(hook->state, &call->check);
    thread_set_task(NULL, NULL, NULL);
    return status;
}

static void run_call(struct pool_job *pool, bool dropped)
{
    struct hook_call *call = (struct hook_call *)((char *)pool - offsetof(struct hook_call, pool));
    enum antiphon_status status = ANTIPHON_ECANCELLED;

    if (!dropped && !(atomic_load(&call->left) && call->on_answer))
        status = ask(call);
    if (status && !atomic_exchange(&call->decided, true)) {
        atomic_fetch_sub(call->open, 1);
        deliver(call, status, ANTIPHON_PASS, "", 0);
        call_unref(call); /* no decide() follows */
    }
    call_unref(call);
}

static void copy_texts(struct hook_call *call, char *at)
{
    const char **const texts[TEXTS] = {&call->check.app,   &call->check.user_id, &call->check.session_id,
                                       &call->check.agent, &call->check.tool,    &call->check.call_id,
                                       &call->check.args,  &call->check.text};

    for (size_t i = 0; i < TEXTS; i++) {
        if (!*texts[i])
            continue;
        size_t size = strlen(*texts[i]) + 1;
        *texts[i] = memcpy(at, *texts[i], size);
        at += size;
    }
}

static size_t size_of_texts(const struct antiphon_check *check)
{
    const char *const texts[TEXTS] = {check->app,  check->user_id, check->session_id, check->agent,
                                      check->tool, check->call_id, check->args,       check->text};
    size_t size = 0;

    for (size_t i = 0; i < TEXTS; i++)
        size += texts[i] ? strlen(texts[i]) + 1 : 0;
    return size;
}

static atomic_uint *open_of(const struct hook_call_options *options)
{
    return &open_calls[((uintptr_t)options->hook / sizeof(*options->hook)) % REGISTRY_MAX_HOOKS];
}

enum antiphon_status hook_call_start(struct runtime *runtime, const struct hook_call_options *options,
                                     struct hook_call **call)
{
    atomic_uint *open = open_of(options);
    struct hook_call *made;
    enum antiphon_status status = ANTIPHON_ENOMEM;

    if (atomic_fetch_add(open, 1) >= HOOK_CALL_MAX_OPEN) {
        atomic_fetch_sub(open, 1);
        return ANTIPHON_EBUSY;
    }
    made = calloc(1, sizeof(*made));
    if (made)
        made->texts = calloc(1, size_of_texts(options->check) + 1);
    if (made && made->texts) {
        made->check = *options->check;
        made->check.struct_size = sizeof(made->check);
        copy_texts(made, made->texts);
        made->pool.run = run_call;
        made->runtime = runtime;
        made->hook = options->hook;
        made->on_answer = options->on_answer;
        made->shard = options->shard;
        made->session = options->session;
        made->number = options->number;
        made->open = open;
        atomic_init(&made->refs, call ? 3 : 2);
        status = pool_submit(runtime->hooks, &made->pool);
    }
    if (status) {
        atomic_fetch_sub(open, 1);
        if (made)
            free(made->texts);
        free(made);
        return status;
    }
    metrics_add(METRIC_hook_calls, 1);
    if (call)
        *call = made;
    return ANTIPHON_OK;
}

void hook_call_release(struct hook_call *call)
{
    if (!call)
        return;
    atomic_store(&call->left, true);
    call_unref(call);
}
