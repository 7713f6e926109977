/* fake_call - tool calls and hooks. */
#include "fake_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAIT_S     10
#define TIMEOUT_MS 30000u

/* ---- what the plugin calls --------------------------------------------------------------------------- */

/* NULL and a fault: not one of ours, or over already. With the lock. */
static struct fake_call *live(struct antiphon_fake *fake, const struct antiphon_call *call, const char *what)
{
    for (struct fake_call *one = fake->calls; one; one = one->next) {
        if (&one->call != call)
            continue;
        if (!one->finished && !one->refused)
            return one;
        fake_fault(fake, "%s: %s() after the call was over", one->call.tool, what);
        return NULL;
    }
    fake_fault(fake, "%s() of a call that there is not", what);
    return NULL;
}

static void host_finish(const struct antiphon_host *h, struct antiphon_call *call, enum antiphon_status status,
                        const char *text, size_t len)
{
    struct antiphon_fake *fake = fake_of(h);

    pthread_mutex_lock(&fake->lock);
    struct fake_call *one = live(fake, call, "finish");
    if (one) {
        len = text ? len : 0;
        if (!status && len && !fake_is_json(text, len))
            fake_fault(fake, "%s: its result is no JSON: %.*s", one->call.tool, (int)(len < 200 ? len : 200), text);
        if (len > MAX_RESULT)
            fake_fault(fake, "%s: its result has %zu bytes, at most %zu are allowed", one->call.tool, len, MAX_RESULT);
        text_add(&one->result_text, text, len);
        one->result.status = status;
        one->finished = true;
        pthread_cond_broadcast(&fake->changed);
    }
    pthread_mutex_unlock(&fake->lock);
}

static bool host_cancelled(const struct antiphon_host *h, const struct antiphon_call *call)
{
    struct antiphon_fake *fake = fake_of(h);
    bool cancelled = false;

    pthread_mutex_lock(&fake->lock);
    struct fake_call *one = live(fake, call, "cancelled");
    if (one) {
        one->asked++;
        if (one->cancel_at && one->asked >= one->cancel_at)
            one->cancelled = true;
        cancelled = one->cancelled;
    }
    pthread_mutex_unlock(&fake->lock);
    return cancelled;
}

static void host_progress(const struct antiphon_host *h, struct antiphon_call *call, const char *text, size_t len)
{
    struct antiphon_fake *fake = fake_of(h);

    pthread_mutex_lock(&fake->lock);
    struct fake_call *one = live(fake, call, "progress");
    if (one && text) {
        text_add(&one->progress, text, len);
        text_puts(&one->progress, "\n");
    }
    pthread_mutex_unlock(&fake->lock);
}

static enum antiphon_status host_receipt(const struct antiphon_host *h, struct antiphon_call *call, const char *json,
                                         size_t len)
{
    struct antiphon_fake *fake = fake_of(h);
    enum antiphon_status status = ANTIPHON_EINVAL;

    pthread_mutex_lock(&fake->lock);
    struct fake_call *one = live(fake, call, "receipt");
    if (!one)
        goto out;
    if (!fake_is_object(json, len)) {
        fake_fault(fake, "%s: its receipt is no JSON object", one->call.tool);
        goto out;
    }
    status = len > MAX_JSON ? ANTIPHON_ETOOBIG : !one->tool->undo ? ANTIPHON_ENOTFOUND : ANTIPHON_OK;
    if (!status && one->cancelled)
        status = ANTIPHON_ECANCELLED;
    if (!status)
        status = fake->receipt_status;
    if (!status) {
        free(one->receipt);
        one->receipt = fake_alloc(len + 1);
        memcpy(one->receipt, json, len);
    }
out:
    pthread_mutex_unlock(&fake->lock);
    return status;
}

static enum antiphon_status host_publish(const struct antiphon_host *h, struct antiphon_call *call, const char *name,
                                         const char *json, size_t len)
{
    struct antiphon_fake *fake = fake_of(h);
    enum antiphon_status status = ANTIPHON_EINVAL;

    pthread_mutex_lock(&fake->lock);
    struct fake_call *one = live(fake, call, "publish");
    if (one && name && fake_is_json(json, len)) {
        text_printf(&fake->published, "%s %.*s\n", name, (int)len, json);
        status = ANTIPHON_OK;
    } else if (one) {
        fake_fault(fake, "%s: publish() without a name, or of what is no JSON", one->call.tool);
    }
    pthread_mutex_unlock(&fake->lock);
    return status;
}

static void host_decide(const struct antiphon_host *h, struct antiphon_check *check, enum antiphon_verdict verdict,
                        const char *text, size_t len)
{
    struct antiphon_fake *fake = fake_of(h);

    pthread_mutex_lock(&fake->lock);
    if (!check || check != fake->check) {
        fake_fault(fake, "decide() of a check that there is not");
    } else if (fake->decided) {
        fake_fault(fake, "decide() twice");
    } else {
        fake->decided = true;
        fake->verdict.verdict = verdict;
        text_add(&fake->verdict_text, text, text ? len : 0);
        pthread_cond_broadcast(&fake->changed);
    }
    pthread_mutex_unlock(&fake->lock);
}

void fake_call_table(struct antiphon_host *host)
{
    host->finish = host_finish;
    host->cancelled = host_cancelled;
    host->progress = host_progress;
    host->receipt = host_receipt;
    host->publish = host_publish;
    host->decide = host_decide;
}

/* ---- what the test calls -------------------------------------------------------------------------------- */

void antiphon_fake_as(struct antiphon_fake *fake, const char *user_id, const char *session_id, const char *agent)
{
    char **const places[] = {&fake->user, &fake->session, &fake->agent};
    const char *const texts[] = {user_id, session_id, agent};

    for (size_t i = 0; i < 3; i++) {
        if (!texts[i])
            continue;
        char *copy = fake_copy(texts[i]);
        free(*places[i]);
        *places[i] = copy;
    }
}

void antiphon_fake_set_call(struct antiphon_fake *fake, uint32_t flags, uint64_t timeout_ms)
{
    fake->call_flags = flags;
    fake->timeout_ms = timeout_ms;
}

void antiphon_fake_cancel_at(struct antiphon_fake *fake, unsigned n)
{
    fake->cancel_at = n;
}

static struct fake_call *new_call(struct antiphon_fake *fake, const struct antiphon_tool *tool, const char *args,
                                  const char *id)
{
    struct fake_call *call = fake_alloc(sizeof(*call));
    const char *const texts[6] = {args ? args : "{}", fake->app, fake->user, fake->session, fake->agent, id};

    for (size_t i = 0; i < 6; i++)
        call->texts[i] = fake_copy(texts[i]);
    text_init(&call->result_text);
    text_init(&call->progress);
    call->fake = fake;
    call->tool = tool;
    call->number = ++fake->n_calls;
    if (!id) {
        struct text made;
        text_init(&made);
        text_printf(&made, "call-%u", call->number);
        call->texts[5] = made.data;
    }
    call->call = (struct antiphon_call){.struct_size = sizeof(call->call),
                                        .flags = fake->call_flags,
                                        .tool = tool->name,
                                        .call_id = call->texts[5],
                                        .app = call->texts[1],
                                        .user_id = call->texts[2],
                                        .session_id = call->texts[3],
                                        .agent = call->texts[4],
                                        .args = call->texts[0],
                                        .args_len = strlen(call->texts[0])};
    pthread_mutex_lock(&fake->lock);
    call->call.deadline_ms = fake->now_ms + (fake->timeout_ms ? fake->timeout_ms : TIMEOUT_MS);
    call->cancel_at = fake->cancel_at;
    fake->cancel_at = 0;
    call->next = fake->calls;
    fake->calls = call;
    pthread_mutex_unlock(&fake->lock);
    return call;
}

/* Runs invoke() or undo(). */
static void begin(struct fake_call *call, enum antiphon_status (*fn)(void *state, struct antiphon_call *call))
{
    struct antiphon_fake *fake = call->fake;
    enum antiphon_status status = fn(fake->state, &call->call);

    if (!status)
        return;
    pthread_mutex_lock(&fake->lock);
    if (call->finished)
        fake_fault(fake, "%s: it finished the call and answered an error, too", call->call.tool);
    call->refused = true;
    call->result.status = status;
    pthread_mutex_unlock(&fake->lock);
}

unsigned antiphon_fake_start(struct antiphon_fake *fake, const char *tool, const char *args)
{
    const struct antiphon_tool *found = antiphon_fake_tool(fake, tool);

    if (fake->status || !found || !found->invoke)
        return 0;
    if (args && !fake_is_object(args, strlen(args)))
        fake_fault(fake, "%s: the test's arguments are no JSON object", tool);
    struct fake_call *call = new_call(fake, found, args, NULL);
    begin(call, found->invoke);
    return call->number;
}

static struct fake_call *call_of(struct antiphon_fake *fake, unsigned number)
{
    struct fake_call *call = fake->calls;

    while (call && call->number != number)
        call = call->next;
    return call;
}

static const struct antiphon_fake_result *wait_for(struct fake_call *call)
{
    struct antiphon_fake *fake = call->fake;
    struct timespec until;
    int code = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&fake->lock);
    while (!call->finished && !call->refused && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&fake->changed, &fake->lock, &until);
    if (!call->finished && !call->refused) {
        call->result.status = ANTIPHON_ETIMEOUT;
        fake_fault(fake, "%s (call-%u) was not finished within %d s", call->call.tool, call->number, WAIT_S);
    }
    call->result.text = call->result_text.data;
    call->result.len = call->result_text.len;
    call->result.receipt = call->receipt;
    call->result.progress = call->progress.data;
    pthread_mutex_unlock(&fake->lock);
    return &call->result;
}

static const struct antiphon_fake_result nothing = {ANTIPHON_ENOTFOUND, "", 0, NULL, ""};

const struct antiphon_fake_result *antiphon_fake_wait(struct antiphon_fake *fake, unsigned number)
{
    struct fake_call *call = call_of(fake, number);

    return call ? wait_for(call) : &nothing;
}

const struct antiphon_fake_result *antiphon_fake_run(struct antiphon_fake *fake, const char *tool, const char *args)
{
    return antiphon_fake_wait(fake, antiphon_fake_start(fake, tool, args));
}

bool antiphon_fake_finished(struct antiphon_fake *fake, unsigned number)
{
    struct fake_call *call = call_of(fake, number);

    pthread_mutex_lock(&fake->lock);
    bool finished = call && call->finished;
    pthread_mutex_unlock(&fake->lock);
    return finished;
}

void antiphon_fake_cancel(struct antiphon_fake *fake, unsigned number)
{
    struct fake_call *call = call_of(fake, number);

    if (!call)
        return;
    pthread_mutex_lock(&fake->lock);
    bool tell = !call->finished && !call->refused && !call->cancelled && call->tool->cancel;
    call->cancelled = true;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
    if (tell)
        call->tool->cancel(fake->state, &call->call);
}

const struct antiphon_fake_result *antiphon_fake_undo(struct antiphon_fake *fake, unsigned number)
{
    struct fake_call *done = call_of(fake, number), *call;

    if (!done || !done->receipt || !done->tool->undo)
        return &nothing;
    call = new_call(fake, done->tool, done->receipt, done->call.call_id);
    call->call.flags |= ANTIPHON_CALL_UNDO;
    begin(call, done->tool->undo);
    return wait_for(call);
}

/* ---- hooks --------------------------------------------------------------------------------------------------- */

/* What the one hook says; the lock is not held. */
static void ask_one(struct antiphon_fake *fake, const struct antiphon_hook *hook, struct antiphon_check *check)
{
    struct timespec until;
    int code = 0;

    pthread_mutex_lock(&fake->lock);
    fake->verdict_text.len = 0;
    fake->verdict_text.data[0] = '\0';
    fake->verdict.verdict = ANTIPHON_PASS;
    fake->decided = false;
    fake->check = check;
    pthread_mutex_unlock(&fake->lock);
    enum antiphon_status status = hook->run(fake->state, check);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&fake->lock);
    while (!status && !fake->decided && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&fake->changed, &fake->lock, &until);
    if (status && fake->decided)
        fake_fault(fake, "hook %s: it decided and answered an error, too", hook->name);
    if (!status && !fake->decided)
        fake_fault(fake, "hook %s: did not decide within %d s", hook->name, WAIT_S);
    if ((status || !fake->decided) && (hook->flags & ANTIPHON_HOOK_FAIL_CLOSED))
        fake->verdict.verdict = ANTIPHON_REFUSE;
    if (fake->verdict.verdict == ANTIPHON_ANSWER && check->point != ANTIPHON_HOOK_BEFORE_TOOL)
        fake_fault(fake, "hook %s: ANSWER is for BEFORE_TOOL only", hook->name);
    fake->check = NULL;
    pthread_mutex_unlock(&fake->lock);
}

const struct antiphon_fake_verdict *antiphon_fake_ask(struct antiphon_fake *fake, enum antiphon_hook_point point,
                                                      const char *tool, const char *args, const char *text)
{
    struct antiphon_check check = {.struct_size = sizeof(check),
                                   .point = point,
                                   .app = fake->app,
                                   .user_id = fake->user,
                                   .session_id = fake->session,
                                   .agent = fake->agent,
                                   .tool = tool,
                                   .call_id = tool ? "call-0" : NULL,
                                   .args = args,
                                   .args_len = args ? strlen(args) : 0,
                                   .text = text,
                                   .text_len = strlen(text)};
    struct antiphon_fake_verdict kept = {ANTIPHON_PASS, "", NULL};
    struct text kept_text;

    text_init(&kept_text);
    for (size_t i = 0; i < fake->n_hooks; i++) {
        const struct antiphon_hook *hook = &fake->hooks[i];
        bool watches = hook->flags & ANTIPHON_HOOK_WATCH;
        if (!(hook->points & ANTIPHON_HOOK_AT(point)) || (kept.verdict && !watches))
            continue;
        check.deadline_ms = fake->now_ms + (hook->budget_ms ? hook->budget_ms : 100);
        ask_one(fake, hook, &check);
        if (watches || fake->verdict.verdict == ANTIPHON_PASS)
            continue;
        kept = fake->verdict;
        kept.hook = hook->name;
        text_add(&kept_text, fake->verdict_text.data, fake->verdict_text.len);
        check.text = kept_text.data;
        check.text_len = kept_text.len;
    }
    text_free(&fake->verdict_text);
    fake->verdict_text = kept_text;
    fake->verdict = kept;
    fake->verdict.text = fake->verdict_text.data;
    return &fake->verdict;
}

void fake_call_free(struct antiphon_fake *fake)
{
    while (fake->calls) {
        struct fake_call *call = fake->calls;
        fake->calls = call->next;
        for (size_t i = 0; i < 6; i++)
            free(call->texts[i]);
        free(call->receipt);
        text_free(&call->result_text);
        text_free(&call->progress);
        free(call);
    }
}
