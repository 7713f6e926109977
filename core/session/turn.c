#include "session/turn.h"

#include <assert.h>

const char *turn_state_name(enum turn_state state)
{
    static const char *const names[TURN_STATES] = {"idle", "listening",   "thinking", "speaking",
                                                   "tool", "interrupted", "stopped"};
    return names[state];
}

bool turn_idle(const struct turn *turn)
{
    return turn->state == TURN_IDLE || turn->state == TURN_LISTENING;
}

static void turn_enter(struct turn *turn, enum turn_state state)
{
    if (turn->state == TURN_IDLE && state != TURN_IDLE)
        turn->id++;
    turn->state = state;
}

/* The turn ends. Text typed while it ran now has its own turn before it. */
static unsigned turn_end(struct turn *turn, bool merged)
{
    turn->state = TURN_IDLE;
    turn->touched = false;
    if (turn->waiting && turn->overlaps && !merged) {
        turn->overlaps = false;
        turn_enter(turn, TURN_THINKING);
        return TURN_WAIT;
    }
    turn->waiting = false;
    turn->overlaps = false;
    return TURN_SEEN;
}

static unsigned turn_on_text(struct turn *turn)
{
    bool running = turn->state == TURN_SPEAKING || turn->state == TURN_TOOL ||
                   turn->state == TURN_THINKING || turn->state == TURN_INTERRUPTED ||
                   turn->state == TURN_STOPPED;
    turn->waiting = true;
    turn->overlaps = running;
    if (!running)
        turn_enter(turn, TURN_THINKING);
    return TURN_SAVE_INPUT | TURN_WAIT;
}

static unsigned turn_on_speech(struct turn *turn)
{
    if (turn->state == TURN_IDLE)
        turn_enter(turn, TURN_LISTENING);
    return 0;
}

static unsigned turn_on_speech_end(struct turn *turn)
{
    if (turn->state != TURN_LISTENING)
        return 0;
    turn->state = TURN_THINKING;
    return TURN_WAIT;
}

static unsigned turn_on_content(struct turn *turn, bool audio)
{
    if (turn->state == TURN_STOPPED || (turn->state == TURN_INTERRUPTED && audio))
        return TURN_DROP;
    turn->touched = true;
    turn_enter(turn, TURN_SPEAKING);
    return TURN_SEEN;
}

static unsigned turn_on_tool_call(struct turn *turn)
{
    if (turn->state == TURN_STOPPED)
        return TURN_DROP;
    turn->touched = true;
    turn_enter(turn, TURN_TOOL);
    return TURN_SEEN;
}

static unsigned turn_on_tools_answered(struct turn *turn)
{
    /* Within a turn the model owes an answer to them. After its end it may have nothing to add. */
    unsigned wait = turn->state == TURN_TOOL ? TURN_WAIT : 0;

    if (turn->state == TURN_IDLE || turn->state == TURN_TOOL || turn->state == TURN_LISTENING) {
        turn->touched = true;
        turn_enter(turn, TURN_THINKING);
    }
    return wait;
}

static unsigned turn_on_complete(struct turn *turn)
{
    /* Two texts typed before any answer may be answered as one. */
    bool merged = turn->state == TURN_THINKING && !turn->touched;
    return TURN_SAVE_INPUT | TURN_SAVE_OUTPUT | TURN_TELL_COMPLETE | turn_end(turn, merged);
}

static unsigned turn_on_interrupted(struct turn *turn)
{
    unsigned tell = TURN_FLUSH | TURN_SAVE_OUTPUT | TURN_MARK_INTERRUPTED | TURN_TELL_INTERRUPTED;

    switch (turn->state) {
    case TURN_IDLE:
    case TURN_LISTENING:
        return tell; /* the tail of a playback was talked over; the turn itself is over */
    case TURN_INTERRUPTED:
        return TURN_FLUSH;
    case TURN_STOPPED:
        return 0; /* told already */
    default:
        turn->state = TURN_INTERRUPTED;
        if (!turn->overlaps)
            turn->waiting = false;
        return tell | TURN_SEEN;
    }
}

static unsigned turn_on_stop(struct turn *turn)
{
    if (turn->state != TURN_SPEAKING && turn->state != TURN_THINKING && turn->state != TURN_TOOL)
        return TURN_FLUSH;
    turn->state = TURN_STOPPED;
    turn->waiting = false;
    turn->overlaps = false;
    return TURN_FLUSH | TURN_CANCEL_TOOLS | TURN_SAVE_INPUT | TURN_SAVE_OUTPUT |
           TURN_MARK_INTERRUPTED | TURN_TELL_INTERRUPTED | TURN_SEEN;
}

static unsigned turn_on_lost(struct turn *turn)
{
    unsigned actions = TURN_SAVE_INPUT | TURN_SEEN;
    bool untouched = turn->state == TURN_THINKING && !turn->touched;
    bool begun = turn->state == TURN_SPEAKING || turn->state == TURN_TOOL ||
                 (turn->state == TURN_THINKING && turn->touched);
    bool owed = begun || turn->state == TURN_INTERRUPTED || turn->state == TURN_STOPPED;
    bool resend = turn->waiting && (turn->overlaps || untouched);

    if (begun)
        actions |= TURN_FLUSH | TURN_SAVE_OUTPUT | TURN_MARK_INTERRUPTED | TURN_TELL_INTERRUPTED;
    if (owed)
        actions |= TURN_TELL_COMPLETE;
    turn->state = TURN_IDLE;
    turn->waiting = false;
    turn->overlaps = false;
    turn->touched = false;
    return resend ? actions | TURN_RESEND : actions;
}

unsigned turn_step(struct turn *turn, enum turn_input input)
{
    switch (input) {
    case TURN_IN_TEXT:
        return turn_on_text(turn);
    case TURN_IN_SPEECH:
        return turn_on_speech(turn);
    case TURN_IN_SPEECH_END:
        return turn_on_speech_end(turn);
    case TURN_IN_AUDIO:
        return turn_on_content(turn, true);
    case TURN_IN_OUTPUT:
        return turn_on_content(turn, false);
    case TURN_IN_TOOL_CALL:
        return turn_on_tool_call(turn);
    case TURN_IN_TOOLS_ANSWERED:
        return turn_on_tools_answered(turn);
    case TURN_IN_COMPLETE:
        return turn_on_complete(turn);
    case TURN_IN_INTERRUPTED:
        return turn_on_interrupted(turn);
    case TURN_IN_STOP:
        return turn_on_stop(turn);
    case TURN_IN_LOST:
        return turn_on_lost(turn);
    case TURN_INPUTS:
        break;
    }
    assert(!"turn input");
    return 0;
}
