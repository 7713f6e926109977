/* session_model - what comes from the model. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/step.h"
#include "session/session_private.h"
#include "base/banned.h"

static void keep(char **at, const void *text, size_t len)
{
    char *copy = text ? strndup(text, len) : NULL;

    if (!copy)
        return;
    free(*at);
    *at = copy;
}

static void on_audio(struct session *session, const struct antiphon_event *event)
{
    size_t bytes = event->encoding == ANTIPHON_BASE64 ? event->len / 4 * 3 : event->len;
    unsigned actions = turn_step(&session->turn, TURN_IN_AUDIO);

    if (actions & TURN_DROP)
        return;
    if (actions & TURN_SEEN)
        timer_stop(session->shard, &session->first_byte_timer);
    metrics_add(event->encoding == ANTIPHON_BASE64 ? METRIC_audio_down_spliced : METRIC_audio_down_decoded, 1);
    session->said.any = true;
    session->said.audio_ms += event->sample_rate ? (int64_t)(bytes * 500 / event->sample_rate) : 0;
    session_tell(session, event);
}

/* True if the content is to be forwarded. */
static bool on_content(struct session *session)
{
    unsigned actions = turn_step(&session->turn, TURN_IN_OUTPUT);

    if (actions & TURN_DROP)
        return false;
    if (actions & TURN_SEEN)
        timer_stop(session->shard, &session->first_byte_timer);
    session->said.any = true;
    return true;
}

static void on_text(struct session *session, const struct antiphon_event *event)
{
    if (event->flags & ANTIPHON_FLAG_THOUGHT) {
        if (session->agent->live.show_thoughts)
            session_tell(session, event);
        return;
    }
    if (event->len == 0 || !on_content(session))
        return;
    if (session_hooked(session, ANTIPHON_HOOK_OUTPUT_TRANSCRIPT)) {
        session_speech_add(session, SPEECH_TEXT, event->data, event->len);
        return;
    }
    buf_append(&session->said.text, event->data, event->len);
    session_tell(session, event);
}

void session_mark(struct session *session, int64_t audio_ms)
{
    struct session_said *said = &session->said;

    if (!said->mark)
        said->mark = calloc(SESSION_MAX_MARKS, sizeof(*said->mark));
    if (said->mark && said->marks_n < SESSION_MAX_MARKS)
        said->mark[said->marks_n++] = (struct session_mark){said->transcript.len, audio_ms};
}

static void on_output_transcript(struct session *session, const struct antiphon_event *event)
{
    struct session_said *said = &session->said;

    if (event->len == 0 || !on_content(session))
        return;
    if (session_hooked(session, ANTIPHON_HOOK_OUTPUT_TRANSCRIPT)) {
        session_speech_add(session, SPEECH_OUTPUT, event->data, event->len);
        return;
    }
    session_mark(session, said->audio_ms);
    buf_append(&said->transcript, event->data, event->len);
    session_tell(session, event);
}

static void on_input_transcript(struct session *session, const struct antiphon_event *event)
{
    bool looked_at = session_hooked(session, ANTIPHON_HOOK_INPUT_TRANSCRIPT);

    if (event->len > 0)
        session_turn(session, TURN_IN_SPEECH);
    if (looked_at && event->len > 0)
        session_speech_add(session, SPEECH_INPUT, event->data, event->len);
    if (looked_at)
        return;
    if (event->len > 0) {
        buf_append(&session->said.user, event->data, event->len);
    }
    session_tell(session, event);
}

static void on_ready(struct session *session)
{
    session->was_ready = true;
    session_segment(session, SEGMENT_IN_READY, (struct segment_facts){0});
    session_send_waiting(session);
    session_answer_tools(session);
    session_notice_step(session);
}

static void on_resumption(struct session *session, const struct antiphon_event *event)
{
    if (!(event->flags & ANTIPHON_FLAG_RESUMABLE) || event->len == 0)
        return; /* "not at this moment": the last good one stays */
    keep(&session->resumption, event->data, event->len);
    keep(&session->resumption_for, session->agent->model, strlen(session->agent->model));
    /* A handle that comes late, when the next turn has begun, knows nothing of that. */
    session->resumption_time = turn_idle(&session->turn) ? clock_wall() : session->turn_end_time;
    session_record_handle(session);
    session_segment(session, SEGMENT_IN_HANDLE, (struct segment_facts){0});
}

static void dispatch(struct session *session, const struct antiphon_event *event)
{
    switch (event->type) {
    case ANTIPHON_EV_AUDIO:
        on_audio(session, event);
        break;
    case ANTIPHON_EV_TEXT:
        on_text(session, event);
        break;
    case ANTIPHON_EV_OUTPUT_TRANSCRIPT:
        on_output_transcript(session, event);
        break;
    case ANTIPHON_EV_INPUT_TRANSCRIPT:
        on_input_transcript(session, event);
        break;
    case ANTIPHON_EV_READY:
        on_ready(session);
        break;
    case ANTIPHON_EV_TOOL_CALL:
        session_on_tool_call(session, event);
        break;
    case ANTIPHON_EV_TOOL_CANCEL:
        session_on_tool_cancel(session, event->id);
        break;
    case ANTIPHON_EV_GROUNDING:
        keep(&session->said.grounding, event->data, event->len);
        session_tell(session, event);
        break;
    case ANTIPHON_EV_USAGE:
        keep(&session->said.usage, event->data, event->len);
        session_tell(session, event);
        break;
    case ANTIPHON_EV_TURN_COMPLETE:
        if (event->name)
            keep(&session->said.reason, event->name, strlen(event->name));
        session_turn(session, TURN_IN_COMPLETE);
        session_release_tools(session);
        break;
    case ANTIPHON_EV_INTERRUPTED:
        session_turn(session, TURN_IN_INTERRUPTED);
        session_interrupt_tools(session);
        break;
    case ANTIPHON_EV_VOICE_ACTIVITY:
        if (event->name && strcmp(event->name, "ACTIVITY_START") == 0)
            session_turn(session, TURN_IN_SPEECH);
        break;
    case ANTIPHON_EV_GO_AWAY:
        session_segment(session, SEGMENT_IN_GO_AWAY, (struct segment_facts){.time_ms = event->time_ms});
        break;
    case ANTIPHON_EV_RESUMPTION:
        on_resumption(session, event);
        break;
    case ANTIPHON_EV_CLOSED:
        session_closed(session, event);
        break;
    default:
        break; /* generation complete, code: nothing to do */
    }
}

static enum step step_of(uint32_t type)
{
    switch (type) {
    case ANTIPHON_EV_AUDIO:
        return STEP_event_audio;
    case ANTIPHON_EV_TEXT:
    case ANTIPHON_EV_INPUT_TRANSCRIPT:
    case ANTIPHON_EV_OUTPUT_TRANSCRIPT:
        return STEP_event_text;
    case ANTIPHON_EV_TURN_COMPLETE:
    case ANTIPHON_EV_INTERRUPTED:
        return STEP_event_turn;
    case ANTIPHON_EV_TOOL_CALL:
    case ANTIPHON_EV_TOOL_CANCEL:
        return STEP_event_tool;
    default:
        return STEP_event_other;
    }
}

void session_on_model(struct session *session, const struct antiphon_event *event)
{
    step_mark(step_of(event->type));
    session->in_model++;
    dispatch(session, event);
    session->in_model--;
}
