/* session_texts - what people type, on its way past the hooks: in order, and before the model gets it. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "session/session_private.h"
#include "base/banned.h"

#define MAX_TEXTS 32 /* that wait for hooks */

struct session_text {
    struct session_text *next;
    size_t len;
    char data[];
};

static void on_checked(struct session *session, uint64_t cookie, enum antiphon_verdict verdict, const char *text,
                       size_t len);

static void ask(struct session *session)
{
    const struct session_text *text = session->texts;
    const struct session_question question = {
        .point = ANTIPHON_HOOK_USER_TEXT, .text = text->data, .len = text->len, .done = on_checked};

    session_check(session, &question);
}

static void on_checked(struct session *session, uint64_t cookie, enum antiphon_verdict verdict, const char *text,
                       size_t len)
{
    struct session_text *head = session->texts;

    (void)cookie;
    session->texts = head->next;
    session->texts_n--;
    if (verdict == ANTIPHON_REFUSE) {
        log_info("hook", "session=%s a typed text was refused", session->id);
        /* The page of the sample, too, learns that no answer will come. */
        session_tell_error(session, "refused", text, "Say it in another way.", EVENT_FLAG_ENDS_TALK);
    } else if (len > 0) {
        session_take_text(session, text, len);
    }
    free(head);
    if (session->texts)
        ask(session);
}

bool session_look_at_text(struct session *session, const char *text, size_t len)
{
    struct session_text **last = &session->texts, *made;

    if (session->texts_n == MAX_TEXTS)
        return false;
    made = calloc(1, sizeof(*made) + len + 1);
    if (!made)
        return false;
    made->len = len;
    if (len)
        memcpy(made->data, text, len);
    while (*last)
        last = &(*last)->next;
    *last = made;
    if (session->texts_n++ == 0)
        ask(session);
    return true;
}

void session_texts_deinit(struct session *session)
{
    while (session->texts) {
        struct session_text *text = session->texts;
        session->texts = text->next;
        free(text);
    }
}
