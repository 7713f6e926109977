/* session_hooks - asks the hooks of plugins, without anybody waiting for them but what is asked about. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/step.h"
#include "session/hook_call.h"
#include "session/session_private.h"
#include "base/banned.h"

#define NOT_MADE "It could not be checked, so it is not let through."

/* One thing that hooks are asked about. */
struct session_check {
    struct session_check *next;
    uint64_t number;
    struct hook_chain chain;
    struct hook_call *call;  /* the hook that is being asked */
    uint64_t deadline_ms;    /* of it */
    session_checked_fn *done;
    uint64_t cookie;
    const char *tool, *call_id, *args; /* in text, behind the text itself; or NULL */
    size_t len;
    char text[];
};

static void on_answer(struct session *session, struct session_message *message);

bool session_hooked(const struct session *session, enum antiphon_hook_point point)
{
    const struct registry_hook *hooks;
    size_t n = registry_hooks(session->runtime->registry, &hooks);

    for (size_t i = 0; i < n; i++) {
        if (hooks[i].hook.points & ANTIPHON_HOOK_AT(point))
            return true;
    }
    return false;
}

/* ---- one hook ------------------------------------------------------------------------------------------ */

static struct antiphon_check view_of(const struct session *session, const struct session_check *check)
{
    return (struct antiphon_check){.struct_size = sizeof(struct antiphon_check),
                                   .point = check->chain.point,
                                   .app = session->agent->live.app_name,
                                   .user_id = session->user,
                                   .session_id = session->id,
                                   .agent = session->agent->name,
                                   .tool = check->tool,
                                   .call_id = check->call_id,
                                   .args = check->args,
                                   .args_len = check->args ? strlen(check->args) : 0,
                                   .text = check->text,
                                   .text_len = check->len};
}

static enum antiphon_status ask(struct session *session, struct session_check *check, const struct registry_hook *hook)
{
    struct antiphon_check view = view_of(session, check);
    const struct hook_call_options options = {.hook = hook,
                                              .check = &view,
                                              .shard = shard_index(session->shard),
                                              .session = session->handle,
                                              .number = check->number,
                                              .on_answer = on_answer};

    check->deadline_ms = view.deadline_ms = clock_now_ms() + hook->hook.budget_ms;
    return hook_call_start(session->runtime, &options, &check->call);
}

/* Those who watch learn how it ended; nobody waits for them. */
static void tell_watchers(struct session *session, const struct session_check *check, const char *text, size_t len)
{
    const struct registry_hook *hooks;
    size_t n = registry_hooks(session->runtime->registry, &hooks);
    struct antiphon_check view = view_of(session, check);

    view.text = text;
    view.text_len = len;
    for (size_t i = 0; i < n; i++) {
        struct hook_call_options options = {.hook = &hooks[i], .check = &view, .shard = shard_index(session->shard)};
        if (!hook_looks(&hooks[i], check->chain.point, true))
            continue;
        view.deadline_ms = clock_now_ms() + hooks[i].hook.budget_ms;
        if (hook_call_start(session->runtime, &options, NULL))
            log_warn("hook", "plugin=%s hook=%s missed something: it is too far behind", hooks[i].plugin,
                     hooks[i].hook.name);
    }
}

/* ---- all of them ----------------------------------------------------------------------------------------- */

static void arm(struct session *session);

static struct session_check *find_check(struct session *session, uint64_t number)
{
    struct session_check *check = session->checks;

    while (check && check->number != number)
        check = check->next;
    return check;
}

static void finish(struct session *session, struct session_check *check, const char *text, size_t len)
{
    struct session_check **at = &session->checks;

    while (*at != check)
        at = &(*at)->next;
    *at = check->next;
    session->checks_n--;
    if (check->chain.verdict == ANTIPHON_REFUSE)
        metrics_add(METRIC_hook_refusals, 1);
    tell_watchers(session, check, text, len);
    check->done(session, check->cookie, check->chain.verdict, text, len);
    free(check);
}

/* Asks hook and those behind it until one can be asked; NULL: it is over. */
static void go_on(struct session *session, struct session_check *check, const struct registry_hook *hook)
{
    bool closed = false;

    while (hook && ask(session, check, hook)) {
        log_warn("hook", "plugin=%s hook=%s could not be asked: it is too far behind", hook->plugin, hook->hook.name);
        metrics_add(METRIC_hook_failures, 1);
        hook = hook_chain_fail(&check->chain, &closed);
    }
    if (hook)
        arm(session);
    else if (closed)
        finish(session, check, NOT_MADE, sizeof(NOT_MADE) - 1);
    else
        finish(session, check, check->text, check->len);
}

static void fail(struct session *session, struct session_check *check, const char *why)
{
    const struct registry_hook *hook = &check->chain.hooks[check->chain.at];
    bool closed;

    log_warn("hook", "session=%s plugin=%s hook=%s %s", session->id, hook->plugin, hook->hook.name, why);
    metrics_add(METRIC_hook_failures, 1);
    hook_call_release(check->call);
    check->call = NULL;
    hook = hook_chain_fail(&check->chain, &closed);
    if (closed)
        finish(session, check, NOT_MADE, sizeof(NOT_MADE) - 1);
    else
        go_on(session, check, hook);
}

static void on_answer(struct session *session, struct session_message *message)
{
    const struct hook_answer *answer = (const struct hook_answer *)message;
    struct session_check *check = find_check(session, answer->number);

    step_mark(STEP_hook_answer);
    if (!check)
        return; /* it came too late */
    if (answer->status) {
        fail(session, check, status_name(answer->status));
    } else {
        hook_call_release(check->call);
        check->call = NULL;
        const struct registry_hook *next = hook_chain_answer(&check->chain, answer->verdict);
        if (answer->verdict == ANTIPHON_PASS)
            go_on(session, check, next);
        else
            finish(session, check, answer->text, answer->len);
    }
    session_maybe_end(session);
}

static void on_timer(void *ctx)
{
    struct session *session = ctx;
    uint64_t now = clock_now_ms();
    struct session_check *check = session->checks;

    while (check) {
        if (!check->call || check->deadline_ms > now) {
            check = check->next;
            continue;
        }
        fail(session, check, "did not decide in time");
        check = session->checks; /* whatever that has done to the list */
    }
    arm(session);
    session_maybe_end(session);
}

static void arm(struct session *session)
{
    uint64_t due = 0, now = clock_now_ms();

    for (const struct session_check *check = session->checks; check; check = check->next) {
        if (check->call && (!due || check->deadline_ms < due))
            due = check->deadline_ms;
    }
    timer_stop(session->shard, &session->checks_timer);
    if (due)
        timer_start(session->shard, &session->checks_timer, due > now ? due - now : 0, on_timer, session);
}

/* ---- from the session -------------------------------------------------------------------------------------- */

static const char *put(char **at, const char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;
    char *copy = *at;

    if (!text)
        return NULL;
    *at += size;
    return memcpy(copy, text, size);
}

static struct session_check *new_check(struct session *session, const struct session_question *question)
{
    size_t more = (question->tool ? strlen(question->tool) + 1 : 0) + (question->args ? strlen(question->args) + 1 : 0) +
                  (question->call_id ? strlen(question->call_id) + 1 : 0);
    struct session_check *check;
    char *at;

    if (session->checks_n == SESSION_MAX_CHECKS)
        return NULL;
    check = calloc(1, sizeof(*check) + question->len + 1 + more);
    if (!check)
        return NULL;
    check->number = ++session->last_check;
    check->done = question->done;
    check->cookie = question->cookie;
    check->len = question->len;
    if (question->len)
        memcpy(check->text, question->text, question->len);
    at = check->text + question->len + 1;
    check->tool = put(&at, question->tool);
    check->call_id = put(&at, question->call_id);
    check->args = put(&at, question->args);
    check->next = session->checks;
    session->checks = check;
    session->checks_n++;
    return check;
}

void session_check(struct session *session, const struct session_question *question)
{
    const struct registry_hook *hooks;
    size_t n = registry_hooks(session->runtime->registry, &hooks);
    struct session_check *check = new_check(session, question);

    if (check) {
        go_on(session, check, hook_chain_begin(&check->chain, hooks, n, question->point));
        return;
    }
    /* It cannot even be asked: as if all of them had failed. */
    struct hook_chain chain;
    bool closed = false;
    const struct registry_hook *hook = hook_chain_begin(&chain, hooks, n, question->point);
    metrics_add(METRIC_hook_failures, 1);
    while (hook && !closed)
        hook = hook_chain_fail(&chain, &closed);
    if (closed)
        question->done(session, question->cookie, ANTIPHON_REFUSE, NOT_MADE, sizeof(NOT_MADE) - 1);
    else
        question->done(session, question->cookie, ANTIPHON_PASS, question->text, question->len);
}

void session_checks_deinit(struct session *session)
{
    timer_stop(session->shard, &session->checks_timer);
    while (session->checks) {
        struct session_check *check = session->checks;
        session->checks = check->next;
        hook_call_release(check->call);
        free(check);
    }
    session->checks_n = 0;
}
