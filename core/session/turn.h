/* turn - where the talk is between two people: a pure machine. It answers what is to be done and never does it.
 *
 *   IDLE -> LISTENING -> THINKING -> SPEAKING -> IDLE, with TOOL, INTERRUPTED and STOPPED as they occur.
 *
 * Typed text without an answer is "in flight": `waiting`. `overlaps` says it was typed while another turn was still
 * running, so that the end of that turn is not mistaken for its own. `touched`: the model has done something in the
 * running turn, if only called a tool, so that its text must not be sent again. */
#ifndef SESSION_TURN_H
#define SESSION_TURN_H
#include <stdbool.h>
#include <stdint.h>

enum turn_state {
    TURN_IDLE,
    TURN_LISTENING,   /* the user speaks */
    TURN_THINKING,    /* the model has the word, nothing came yet */
    TURN_SPEAKING,    /* the model answers */
    TURN_TOOL,        /* the model waits for tools */
    TURN_INTERRUPTED, /* cut short by the model's side; late audio is dropped until the turn ends */
    TURN_STOPPED,     /* cut short by the user's stop; all output is dropped until the turn ends */
    TURN_STATES
};

enum turn_input {
    TURN_IN_TEXT,       /* the user's typed text was sent */
    TURN_IN_SPEECH,     /* the user began to speak: activity or transcript */
    TURN_IN_SPEECH_END, /* the user ended by hand: activity end, microphone off */
    TURN_IN_AUDIO,      /* audio from the model */
    TURN_IN_OUTPUT,     /* any other content from the model */
    TURN_IN_TOOL_CALL,
    TURN_IN_TOOLS_ANSWERED,
    TURN_IN_COMPLETE,
    TURN_IN_INTERRUPTED,
    TURN_IN_STOP,       /* the client's stop */
    TURN_IN_LOST,       /* the connection to the model is gone */
    TURN_INPUTS
};

/* What to do, in this order of bits. */
enum turn_action {
    TURN_DROP = 1 << 0,             /* do not forward this content */
    TURN_FLUSH = 1 << 1,            /* drop queued audio on its way to the client */
    TURN_CANCEL_TOOLS = 1 << 2,
    TURN_SAVE_INPUT = 1 << 3,       /* finalise what the user said */
    TURN_SAVE_OUTPUT = 1 << 4,      /* finalise what the model said */
    TURN_MARK_INTERRUPTED = 1 << 5, /* ... and it was cut short */
    TURN_TELL_INTERRUPTED = 1 << 6,
    TURN_TELL_COMPLETE = 1 << 7,    /* after what was saved is committed */
    TURN_WAIT = 1 << 8,             /* start the deadline for the model's first byte */
    TURN_SEEN = 1 << 9,             /* stop it */
    TURN_RESEND = 1 << 10           /* the text in flight was not touched by the model: send it again, once */
};

struct turn {
    enum turn_state state;
    bool waiting, overlaps, touched;
    uint64_t id; /* rises whenever a turn begins */
};

/* Steps and returns the actions. */
unsigned turn_step(struct turn *turn, enum turn_input input);
bool turn_idle(const struct turn *turn);
const char *turn_state_name(enum turn_state state);
#endif
