/* session_confirm - asking the owner of a conversation whether a tool may run with exactly these arguments. The question has a
 * nonce that is good for one answer, of one client, for one call; the arguments of a call never change. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "session/client.h"
#include "session/session_private.h"
#include "session/tool_secret.h"
#include "base/banned.h"

#define NONCE_BYTES   ((TOOL_RUN_NONCE_SIZE - 1) / 2)
#define MAX_QUESTION  1024 /* bytes of a tool's own; longer ones are cut */
#define MAX_ASK_BYTES (2u * 1024 * 1024)
#define MAX_WHY_BYTES 4096

static bool can_ask(const struct session *session)
{
    return session->active && session->active->frontend->wants_hello;
}

static void make_nonce(char nonce[TOOL_RUN_NONCE_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[NONCE_BYTES];

    id_random(bytes, sizeof(bytes));
    for (size_t i = 0; i < NONCE_BYTES; i++) {
        nonce[2 * i] = digits[bytes[i] >> 4];
        nonce[2 * i + 1] = digits[bytes[i] & 15];
    }
    nonce[2 * NONCE_BYTES] = '\0';
}

static void put(struct buf *out, const char *name, const char *text)
{
    buf_json_member(out, name, text);
    buf_puts(out, ",");
}

/* Every question has a nonce of its own: what another client was asked is no longer good. */
static void tell_question(struct session *session, struct tool_run *run)
{
    struct antiphon_event event = EVENT_INIT(EVENT_CONFIRM);
    uint64_t now = clock_now_ms();
    enum antiphon_status hidden;
    struct buf text;

    make_nonce(run->nonce);
    buf_init(&text, MAX_ASK_BYTES);
    buf_puts(&text, "{");
    put(&text, "id", run->id);
    put(&text, "tool", run->name);
    buf_puts(&text, "\"args\":");
    hidden = tool_secret_hide_args(run->tool->schema, run->ready, &text);
    buf_puts(&text, ",");
    if (run->question)
        put(&text, "question", run->question);
    put(&text, "nonce", run->nonce);
    buf_printf(&text, "\"expires_ms\":%llu}",
               (unsigned long long)(run->deadline_ms > now ? run->deadline_ms - now : 0));
    event.data = text.data;
    event.len = text.len;
    if (hidden == ANTIPHON_OK && buf_status(&text) == ANTIPHON_OK)
        session_tell(session, &event);
    else /* without the arguments nobody can agree to them; the time runs out */
        log_error("tool", "session=%s call=%s the question could not be written", session->id, run->id);
    buf_deinit(&text);
}

static void refuse(struct session *session, struct tool_run *run, enum antiphon_status status, const char *reason,
                   const char *what)
{
    struct buf why;

    buf_init(&why, MAX_WHY_BYTES);
    buf_printf(&why, "`%.128s` did not run: %s", run->name, what);
    log_info("tool", "session=%s tool=%s call=%s did not run: %s", session->id, run->name, run->id, reason);
    run->nonce[0] = '\0';
    session_fail_tool(session, run, status, reason, &why);
    buf_deinit(&why);
}

void session_ask(struct session *session, struct tool_run *run)
{
    if (!can_ask(session)) {
        refuse(session, run, ANTIPHON_EDENIED, "cannot_ask",
               "the user must agree to it first, and the page that is open has no way to ask. Tell the user that this "
               "needs antiphon's own page.");
        return;
    }
    tool_run_ask(run, clock_now_ms() + session->runtime->config->deadlines.confirm);
    if (run->question && strlen(run->question) > MAX_QUESTION)
        run->question[utf8_cut(run->question, MAX_QUESTION)] = '\0';
    session_tell_tool(session, run, "asking", NULL, 0);
    tell_question(session, run);
    session_answer_tools(session); /* its deadline */
}

void session_ask_expired(struct session *session, struct tool_run *run)
{
    refuse(session, run, ANTIPHON_ETIMEOUT, "unanswered",
           "the user was asked whether it may run and has not answered in time. Ask the user, and call it again if it is "
           "still wanted.");
}

void session_ask_again(struct session *session)
{
    for (size_t i = 0; i < session->tools.n; i++) {
        struct tool_run *run = &session->tools.run[i];
        if (run->state != TOOL_ASKING)
            continue;
        run->nonce[0] = '\0';
        if (!can_ask(session))
            continue; /* another client may come back before the time is over */
        session_tell_tool(session, run, "asking", NULL, 0);
        tell_question(session, run);
    }
}

/* In a time that does not depend on how much of it is right. */
static bool same_nonce(const char *nonce, const char *given, size_t len)
{
    unsigned char differs = 0;

    if (len != TOOL_RUN_NONCE_SIZE - 1 || nonce[0] == '\0')
        return false;
    for (size_t i = 0; i < len; i++)
        differs |= (unsigned char)(nonce[i] ^ given[i]);
    return differs == 0;
}

static struct tool_run *find_asked(struct session *session, const struct client_input *input)
{
    for (size_t i = 0; i < session->tools.n; i++) {
        struct tool_run *run = &session->tools.run[i];
        if (run->state == TOOL_ASKING && same_nonce(run->nonce, input->data, input->len))
            return run;
    }
    return NULL;
}

bool session_on_confirm(struct session *session, struct client *client, const struct client_input *input)
{
    struct tool_run *run = client->active ? find_asked(session, input) : NULL;

    if (!run)
        return false;
    run->nonce[0] = '\0';
    if (input->allow) {
        log_info("tool", "session=%s tool=%s call=%s the owner allows it", session->id, run->name, run->id);
        run->confirmed = true;
        session_launch_tool(session, run);
    } else {
        refuse(session, run, ANTIPHON_EDENIED, "denied",
               "the user was asked and did not allow it. Do not call it again unless the user asks for it.");
    }
    session_answer_tools(session);
    return true;
}
