/* session_speech - what was said, on its way past the hooks: sentence by sentence, in order, while the audio goes on. Where no hook
 * looks on, none of this is used.
 *
 * Everything that has to come after what is being looked at waits in one queue with it: further sentences, the record of a finished
 * utterance, the end of the turn. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "session/sentence.h"
#include "session/session_private.h"
#include "base/banned.h"

#define MAX_ITEMS 1000 /* beyond it the oldest is not waited for any more */

struct speech_item {
    struct speech_item *next;
    enum speech_kind kind;
    bool asking;          /* the head: hooks look at it */
    bool interrupted;     /* RECORD_OUTPUT */
    double time;          /* RECORD_*: when it was said */
    int64_t audio_ms;     /* OUTPUT: the audio had come to here; RECORD_OUTPUT: all of it */
    int64_t played_ms;    /* RECORD_OUTPUT */
    uint64_t turn;
    struct turn_end end;  /* COMPLETE; owned */
    size_t len;
    char text[];
};

static void item_free(struct speech_item *item)
{
    free(item->end.reason);
    free(item->end.grounding);
    free(item);
}

static const enum antiphon_hook_point points[] = {
    [SPEECH_INPUT] = ANTIPHON_HOOK_INPUT_TRANSCRIPT,
    [SPEECH_OUTPUT] = ANTIPHON_HOOK_OUTPUT_TRANSCRIPT,
    [SPEECH_TEXT] = ANTIPHON_HOOK_OUTPUT_TRANSCRIPT,
};

static void step(struct session *session);

static struct speech_item *take_first(struct session *session)
{
    struct session_speech *speech = &session->speech;
    struct speech_item *item = speech->first;

    speech->first = item->next;
    if (!item->next)
        speech->last = NULL;
    speech->n--;
    return item;
}

/* ---- what comes out ---------------------------------------------------------------------------------------- */

static void let_through(struct session *session, const struct speech_item *item, const char *text, size_t len)
{
    static const uint32_t types[] = {[SPEECH_INPUT] = ANTIPHON_EV_INPUT_TRANSCRIPT,
                                     [SPEECH_OUTPUT] = ANTIPHON_EV_OUTPUT_TRANSCRIPT,
                                     [SPEECH_TEXT] = ANTIPHON_EV_TEXT};
    struct antiphon_event event = EVENT_INIT(types[item->kind]);
    struct session_said *said = &session->said;
    uint64_t turn = session->turn.id;

    if (len == 0)
        return;
    if (item->kind == SPEECH_OUTPUT)
        session_mark(session, item->audio_ms);
    buf_append(item->kind == SPEECH_INPUT    ? &said->user
               : item->kind == SPEECH_OUTPUT ? &said->transcript
                                             : &said->text,
               text, len);
    event.data = text;
    event.len = len;
    session->turn.id = item->turn;
    session_tell(session, &event);
    session->turn.id = turn;
}

/* The rest of what the model says in this turn is not let through either. */
static void refuse(struct session *session, const struct speech_item *item, const char *reason)
{
    for (struct speech_item *later = session->speech.first; later; later = later->next) {
        if (later->kind == item->kind && later->turn == item->turn)
            later->len = 0;
    }
    buf_reset(&session->speech.held[item->kind]);
    session_tell_error(session, "refused", reason, NULL, 0);
    if (item->turn == session->turn.id)
        session_turn(session, TURN_IN_STOP);
}

static void on_checked(struct session *session, uint64_t cookie, enum antiphon_verdict verdict, const char *text,
                       size_t len)
{
    struct speech_item *item = session->speech.first;

    (void)cookie;
    if (!item || !item->asking)
        return;
    item = take_first(session); /* before anything that may add to the queue */
    if (verdict == ANTIPHON_REFUSE) {
        log_info("hook", "session=%s a transcript was refused", session->id);
        refuse(session, item, text);
    } else {
        let_through(session, item, text, len);
    }
    item_free(item);
    step(session);
}

static void record_output(struct session *session, const struct speech_item *item)
{
    struct session_said *said = &session->said;
    int64_t audio_ms = said->audio_ms, played_ms = said->played_ms;

    said->audio_ms = item->audio_ms;
    said->played_ms = item->played_ms;
    session_write_output(session, item->interrupted, item->time);
    said->audio_ms = audio_ms;
    said->played_ms = played_ms;
}

static void carry_out(struct session *session, struct speech_item *item)
{
    switch (item->kind) {
    case SPEECH_RECORD_INPUT:
        session_write_input(session, item->time);
        break;
    case SPEECH_RECORD_OUTPUT:
        record_output(session, item);
        break;
    case SPEECH_COMPLETE:
        session_complete_turn(session, &item->end);
        break;
    default:
        break;
    }
}

/* Works the queue off until something has to be waited for. */
static void step(struct session *session)
{
    struct session_speech *speech = &session->speech;

    if (speech->stepping)
        return;
    speech->stepping = true;
    while (speech->first && !speech->first->asking) {
        struct speech_item *item = speech->first;
        if (item->kind <= SPEECH_TEXT && item->len > 0) {
            const struct session_question question = {
                .point = points[item->kind], .text = item->text, .len = item->len, .done = on_checked};
            item->asking = true;
            speech->stepping = false;
            session_check(session, &question); /* may be over at once, and have come back here */
            return;
        }
        (void)take_first(session);
        carry_out(session, item);
        item_free(item);
    }
    speech->stepping = false;
    session_record_flush(session);
}

/* ---- what goes in ------------------------------------------------------------------------------------------------ */

static struct speech_item *push(struct session *session, enum speech_kind kind, const char *text, size_t len)
{
    struct session_speech *speech = &session->speech;
    struct speech_item *item = calloc(1, sizeof(*item) + len + 1);

    if (!item)
        return NULL;
    item->kind = kind;
    item->time = clock_wall();
    item->turn = session->turn.id;
    item->audio_ms = session->said.audio_ms;
    item->played_ms = session->said.played_ms;
    item->len = len;
    if (len)
        memcpy(item->text, text, len);
    if (speech->last)
        speech->last->next = item;
    else
        speech->first = item;
    speech->last = item;
    speech->n++;
    return item;
}

bool session_speech_waits(const struct session *session)
{
    return session->speech.first != NULL;
}

void session_speech_add(struct session *session, enum speech_kind kind, const char *text, size_t len)
{
    struct buf *held = &session->speech.held[kind];
    size_t whole;

    if (buf_append(held, text, len))
        log_warn("hook", "session=%s a transcript is too long to be looked at", session->id);
    whole = sentence_whole(buf_text(held), held->len);
    if (whole == 0)
        return;
    if (session->speech.n < MAX_ITEMS && push(session, kind, held->data, whole))
        buf_consume(held, whole);
    step(session);
}

/* What has no end yet is one. */
static void flush(struct session *session, enum speech_kind kind)
{
    struct buf *held = &session->speech.held[kind];

    if (held->len > 0 && push(session, kind, held->data, held->len))
        buf_reset(held);
}

void session_speech_end_input(struct session *session)
{
    flush(session, SPEECH_INPUT);
    if (!session->speech.first)
        session_write_input(session, 0);
    else if (push(session, SPEECH_RECORD_INPUT, NULL, 0))
        step(session);
}

void session_speech_end_output(struct session *session, bool interrupted)
{
    struct speech_item *item;

    flush(session, SPEECH_OUTPUT);
    flush(session, SPEECH_TEXT);
    if (!session->speech.first) {
        session_write_output(session, interrupted, 0);
        return;
    }
    item = push(session, SPEECH_RECORD_OUTPUT, NULL, 0);
    if (!item)
        return;
    item->interrupted = interrupted;
    step(session);
}

bool session_speech_end_turn(struct session *session, struct turn_end *end)
{
    struct speech_item *item = session->speech.first ? push(session, SPEECH_COMPLETE, NULL, 0) : NULL;

    if (!item)
        return false;
    item->end = *end;
    *end = (struct turn_end){0};
    step(session);
    return true;
}

void session_speech_init(struct session *session)
{
    for (int kind = SPEECH_INPUT; kind <= SPEECH_TEXT; kind++)
        buf_init(&session->speech.held[kind], SESSION_MAX_SAID_BYTES);
}

void session_speech_deinit(struct session *session)
{
    while (session->speech.first) {
        struct speech_item *item = session->speech.first;
        session->speech.first = item->next;
        item_free(item);
    }
    for (int kind = SPEECH_INPUT; kind <= SPEECH_TEXT; kind++)
        buf_deinit(&session->speech.held[kind]);
}
