/* session_turn - carries out what the turn machine decides. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "session/session_private.h"
#include "base/banned.h"

/* The model was asked and stays silent: once, try another connection; then say so. */
static void on_first_byte_late(void *ctx)
{
    struct session *session = ctx;
    struct segment_facts facts = {.may_resume = true, .may_restart = true};

    log_warn("session", "session=%s the model did not answer in time", session->id);
    if (!session->resent && session->in_flight && !session->turn.touched) {
        session_segment(session, SEGMENT_IN_CLOSED, facts);
        return;
    }
    session->turn.waiting = false;
    session_turn(session, TURN_IN_LOST);
    session_tell_error(session, "timeout", "The model did not answer.", "Ask again.",
                       EVENT_FLAG_RETRYABLE | EVENT_FLAG_ENDS_TALK);
}

void session_complete_turn(struct session *session, struct turn_end *end)
{
    struct antiphon_event event = EVENT_INIT(ANTIPHON_EV_TURN_COMPLETE);
    uint64_t ticket, turn = session->turn.id;

    session->turn.id = end->turn;
    if (end->reason && !end->any) {
        char message[160];
        (void)snprintf(message, sizeof(message), "The model ended the turn without an answer (%s).", end->reason);
        session_tell_error(session, "no_answer", message, "Say it in another way.", EVENT_FLAG_RETRYABLE);
    }
    event.name = end->reason;
    metrics_add(METRIC_turns, 1);
    ticket = session_record_complete(session, end);
    if (!ticket)
        event.flags |= EVENT_FLAG_NOT_SAVED;
    session_tell_held(session, &event, ticket);
    session->turn.id = turn;
    session->turn_end_time = clock_wall();
    tool_state_end_turn(session->state);
    free(end->reason);
    free(end->grounding);
    *end = (struct turn_end){0};
    session_said_reset(session);
}

static void complete(struct session *session)
{
    struct session_said *said = &session->said;
    struct turn_end end = {said->reason, said->grounding, said->any, session->turn.id};

    said->reason = NULL;
    said->grounding = NULL;
    said->any = false;
    if (!session_speech_end_turn(session, &end))
        session_complete_turn(session, &end);
}

static void interrupted(struct session *session)
{
    struct antiphon_event event = EVENT_INIT(ANTIPHON_EV_INTERRUPTED);

    metrics_add(METRIC_interruptions, 1);
    session_record_interrupted(session);
    session_tell(session, &event);
}

static void forget_in_flight(struct session *session)
{
    session->resend = session->resent = false;
    free(session->in_flight);
    session->in_flight = NULL;
}

/* The text that the model never began to answer goes out once more, if whoever typed it is still there. */
static void keep_for_resend(struct session *session)
{
    bool again = session->resent;

    if (!session->in_flight || again || !session->active || session->ending) {
        forget_in_flight(session);
        if (again && session->active && !session->ending)
            session_tell_error(session, "not_answered", "The connection to the model broke twice over this message.",
                               "Ask again.", EVENT_FLAG_RETRYABLE | EVENT_FLAG_ENDS_TALK);
        return;
    }
    session->resend = true;
    history_hide(session->history, session->in_flight_item, true);
}

void session_apply_turn(struct session *session, unsigned actions)
{
    if (actions & TURN_FLUSH)
        session_drop_audio(session);
    if (actions & TURN_CANCEL_TOOLS)
        session_stop_tools(session);
    if (actions & TURN_SAVE_INPUT)
        session_record_input(session);
    if (actions & TURN_SAVE_OUTPUT)
        session_record_output(session, (actions & TURN_MARK_INTERRUPTED) != 0);
    if (actions & TURN_TELL_INTERRUPTED)
        interrupted(session);
    if (actions & TURN_TELL_COMPLETE)
        complete(session);
    if (actions & TURN_WAIT)
        timer_start(session->shard, &session->first_byte_timer,
                    session->runtime->config->deadlines.first_byte, on_first_byte_late, session);
    if (actions & TURN_SEEN)
        timer_stop(session->shard, &session->first_byte_timer);
    if (actions & TURN_RESEND)
        keep_for_resend(session);
    else if (!session->turn.waiting && !session->resend)
        forget_in_flight(session);
    session_record_flush(session);
}

void session_turn(struct session *session, enum turn_input input)
{
    enum turn_state before = session->turn.state;
    uint64_t id = session->turn.id, next;
    unsigned actions = turn_step(&session->turn, input);

    /* The end of a turn is told under its own number, although text typed meanwhile has begun the next. */
    next = session->turn.id;
    if (actions & (TURN_TELL_COMPLETE | TURN_TELL_INTERRUPTED))
        session->turn.id = id;
    session_apply_turn(session, actions);
    session->turn.id = next;
    if (before != session->turn.state)
        log_debug("session", "session=%s turn=%llu %s -> %s", session->id,
                  (unsigned long long)session->turn.id, turn_state_name(before),
                  turn_state_name(session->turn.state));
    if (input == TURN_IN_COMPLETE && turn_idle(&session->turn))
        session_segment(session, SEGMENT_IN_TURN_ENDED, (struct segment_facts){.turn_idle = true});
    if (input == TURN_IN_COMPLETE)
        session_notice_step(session);
}
