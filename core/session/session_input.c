/* session_input - what comes from clients. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/step.h"
#include "session/session_private.h"
#include "base/banned.h"

#define IMAGE_BYTES_RESERVE (2u * 1024 * 1024)

static enum antiphon_status send_model(struct session *session, const struct antiphon_event *event)
{
    enum antiphon_status status;

    if (!session->conn)
        return ANTIPHON_EUNAVAILABLE;
    step_mark(STEP_plugin_send);
    session->in_model++;
    status = session->model->model.send(session->conn, event);
    session->in_model--;
    return status;
}

/* Remembers the text as in flight. */
bool session_send_text(struct session *session, const char *text, size_t len, uint64_t item)
{
    struct antiphon_event event = EVENT_INIT(ANTIPHON_EV_TEXT);
    char *copy = strndup(text, len);

    event.data = text;
    event.len = len;
    if (send_model(session, &event)) {
        free(copy);
        return false;
    }
    history_hide(session->history, item, false);
    free(session->in_flight);
    session->in_flight = copy;
    session->in_flight_len = len;
    session->in_flight_item = item;
    session_turn(session, TURN_IN_TEXT);
    return true;
}

static void send_text(struct session *session, const char *text, size_t len, uint64_t item)
{
    if (!session_send_text(session, text, len, item))
        session_tell_error(session, "busy", "The connection to the model is not keeping up; the text was not sent.",
                           "Send it again in a moment.", EVENT_FLAG_RETRYABLE);
}

static size_t audio_bound(const struct session *session)
{
    return (session->was_ready ? 1 : 10) * WAITING_AUDIO_BYTES_A_SECOND;
}

static void refuse_waiting(struct session *session)
{
    session_tell_error(session, "busy", "Too much is waiting for the model; this was not taken.",
                       "Wait until the connection is back.", EVENT_FLAG_RETRYABLE);
}

static void wait_for_model(struct session *session, const struct antiphon_event *event, uint64_t item)
{
    size_t bound = audio_bound(session) + (event->type == ANTIPHON_EV_IMAGE ? IMAGE_BYTES_RESERVE : 0);
    unsigned dropped = 0;

    if (waiting_push(&session->waiting, event, item, bound, &dropped))
        refuse_waiting(session);
    if (dropped > 0)
        metrics_add(METRIC_upstream_audio_dropped, dropped);
}

void session_take_text(struct session *session, const char *text, size_t len)
{
    bool live = segment_live(&session->segment) && session->conn && !session->waiting.first;
    uint64_t item = 0;

    if (!live && !waiting_has_room(&session->waiting, len)) {
        refuse_waiting(session);
        return;
    }
    session_record_user_text(session, text, len, &item);
    if (live) {
        send_text(session, text, len, item);
        return;
    }
    struct antiphon_event event = EVENT_INIT(ANTIPHON_EV_TEXT);
    event.data = text;
    event.len = len;
    history_hide(session->history, item, true);
    wait_for_model(session, &event, item);
    if (session->loaded)
        session_segment(session, SEGMENT_IN_TEXT, (struct segment_facts){0});
}

static void on_text(struct session *session, const struct client_input *input)
{
    step_mark(STEP_session_text);
    log_debug("sample", "[CLIENT TO AGENT]: %.*s", (int)input->len, input->data);
    if (!session_hooked(session, ANTIPHON_HOOK_USER_TEXT))
        session_take_text(session, input->data, input->len);
    else if (!session_look_at_text(session, input->data, input->len))
        refuse_waiting(session);
}

static void pass_media(struct session *session, const struct antiphon_event *event)
{
    if (segment_live(&session->segment) && session->conn && !session->waiting.first)
        (void)send_model(session, event); /* audio is never refused */
    else if (session->segment.state == SEGMENT_FAILED)
        metrics_add(METRIC_upstream_audio_dropped, 1);
    else
        wait_for_model(session, event, 0);
}

static void on_image(struct session *session, const struct client_input *input)
{
    struct antiphon_event event = EVENT_INIT(ANTIPHON_EV_IMAGE);

    event.encoding = input->encoding;
    event.data = input->data;
    event.len = input->len;
    event.name = input->mime;
    pass_media(session, &event);
}

/* Sends on what the joiner holds: nothing may overtake it. */
static void release_audio(struct session *session)
{
    struct antiphon_event event = EVENT_INIT(ANTIPHON_EV_AUDIO);

    event.sample_rate = 16000;
    if (joiner_take(&session->joiner, sessions_scratch(session->sessions), &event))
        pass_media(session, &event);
}

/* The timer is not stopped when a joined frame goes, and set again only when it has come: once a joined frame
 * rather than twice. */
static void on_joiner_due(void *ctx)
{
    struct session *session = ctx;
    uint64_t now = clock_now_ms(), due = session->joiner.since_ms + session->runtime->config->audio_join_ms;

    if (session->joiner.len == 0)
        return;
    if (due > now) {
        timer_start(session->shard, &session->joiner_timer, due - now, on_joiner_due, session);
        return;
    }
    release_audio(session);
    session_maybe_end(session);
}

static void on_audio(struct session *session, const struct client_input *input)
{
    struct antiphon_event event = EVENT_INIT(ANTIPHON_EV_AUDIO);

    metrics_add(input->spliced ? METRIC_audio_spliced : METRIC_audio_parsed, 1);
    if (input->pcm_bytes < session->joiner.want && joiner_add(&session->joiner, input, clock_now_ms())) {
        metrics_add(METRIC_audio_joined, 1);
        if (joiner_full(&session->joiner))
            release_audio(session);
        else if (!timer_active(&session->joiner_timer))
            timer_start(session->shard, &session->joiner_timer, session->runtime->config->audio_join_ms,
                        on_joiner_due, session);
        return;
    }
    release_audio(session);
    event.encoding = input->encoding;
    event.data = input->data;
    event.len = input->len;
    event.sample_rate = 16000;
    pass_media(session, &event);
}

static void on_signal(struct session *session, uint32_t type)
{
    struct antiphon_event event = EVENT_INIT(type);

    if (segment_live(&session->segment) && session->conn && !session->waiting.first)
        (void)send_model(session, &event);
    else if (session->segment.state != SEGMENT_FAILED)
        wait_for_model(session, &event, 0);
    if (type == ANTIPHON_EV_ACTIVITY_START)
        session_turn(session, TURN_IN_SPEECH);
    if (type == ANTIPHON_EV_ACTIVITY_END || type == ANTIPHON_EV_AUDIO_END)
        session_turn(session, TURN_IN_SPEECH_END);
}

static void on_input(struct session *session, const struct client_input *input)
{
    if (input->type != CLIENT_AUDIO && input->type != CLIENT_PLAYED)
        release_audio(session);
    switch (input->type) {
    case CLIENT_TEXT:
        on_text(session, input);
        break;
    case CLIENT_AUDIO:
        on_audio(session, input);
        break;
    case CLIENT_IMAGE:
        on_image(session, input);
        break;
    case CLIENT_ACTIVITY_START:
        on_signal(session, ANTIPHON_EV_ACTIVITY_START);
        break;
    case CLIENT_ACTIVITY_END:
        on_signal(session, ANTIPHON_EV_ACTIVITY_END);
        break;
    case CLIENT_AUDIO_END:
        on_signal(session, ANTIPHON_EV_AUDIO_END);
        break;
    case CLIENT_STOP:
        session_turn(session, TURN_IN_STOP);
        break;
    case CLIENT_PLAYED:
        if (input->turn == session->turn.id)
            session->said.played_ms = input->played_ms;
        break;
    case CLIENT_CONFIRM:
        break; /* has a way of its own */
    }
}

static void refuse(struct session *session, struct client *client, const struct client_fault *fault)
{
    struct antiphon_event event = EVENT_INIT(EVENT_ERROR);

    metrics_add(METRIC_client_bad_messages, 1);
    log_debug("session", "session=%s client=%llu bad frame: %s", session->id,
              (unsigned long long)client->number, fault->message);
    event.name = fault->code;
    event.data = fault->message;
    event.len = strlen(fault->message);
    event.detail = fault->hint;
    session_tell_client(session, client, &event);
    if (++client->bad >= session->runtime->config->limits.bad_messages)
        client_close(client, session->runtime, 1008, "too many bad messages in a row");
}

static const struct client_fault no_question = {
    .code = "no_question",
    .message = "There is no such question, or it was answered already.",
    .hint = "Answer the last confirm frame that this connection got, once, within its time."};

void session_on_frame(struct session *session, struct client *client, bool binary, const char *data, size_t len)
{
    struct client_fault fault = {.code = "bad_frame"};
    struct client_input input = {0};
    struct buf scratch;

    if (client->closing)
        return;
    buf_init(&scratch, 16u * 1024 * 1024);
    if (client->frontend->parse(binary, data, len, &scratch, &input, &fault)) {
        refuse(session, client, &fault);
    } else {
        bool speaks = input.type == CLIENT_TEXT;
        if (input.type == CLIENT_CONFIRM && !session_on_confirm(session, client, &input)) {
            refuse(session, client, &no_question);
            goto out;
        }
        client->bad = 0;
        /* Whoever types wants the answer here. The microphone of a client that was left behind must not. */
        if (!client->active && speaks)
            session_activate(session, client);
        if (client->active)
            on_input(session, &input);
    }
out:
    buf_deinit(&scratch);
    session_maybe_end(session);
}

void session_send_waiting(struct session *session)
{
    struct waiting_item *item;

    if (session->resend && session->in_flight) {
        char *text = session->in_flight;
        size_t len = session->in_flight_len;
        session->in_flight = NULL;
        session->resend = false;
        session->resent = true;
        send_text(session, text, len, session->in_flight_item);
        free(text);
    }
    while (session->conn && (item = waiting_take(&session->waiting))) {
        struct antiphon_event event = EVENT_INIT(item->type);
        event.encoding = item->encoding;
        event.name = item->mime;
        event.data = item->data;
        event.len = item->len;
        event.sample_rate = item->type == ANTIPHON_EV_AUDIO ? 16000 : 0;
        if (item->type == ANTIPHON_EV_TEXT)
            send_text(session, item->data, item->len, item->note);
        else
            (void)send_model(session, &event);
        free(item);
    }
}
