/* segment - the life of a session's connections to the model: a pure machine. A session runs through many of them; the
 * browser never notices. It answers what is to be done and never does it.
 *
 * The ladder when a connection ends: close it first; connect again with the resumption handle; if that is refused, a
 * fresh connection seeded from our own history; if that fails too, say so. Once a talk was live, network faults are
 * retried SEGMENT_MAX_ATTEMPTS times with a growing pause; the very first connection is not, so that its error
 * reaches the person at once. */
#ifndef SESSION_SEGMENT_H
#define SESSION_SEGMENT_H
#include <stdbool.h>
#include <stdint.h>

#define SEGMENT_MAX_ATTEMPTS 5
#define SEGMENT_HANDLE_GRACE_MS 300 /* goAway: how long after the turn's end its handle may take */
#define SEGMENT_GO_AWAY_MARGIN_MS 1000

enum segment_state {
    SEGMENT_OFF,      /* nobody needs a connection */
    SEGMENT_RESUMING, /* connecting with the handle */
    SEGMENT_FRESH,    /* connecting without */
    SEGMENT_LIVE,
    SEGMENT_DRAINING, /* live, but the model's side will cut it soon */
    SEGMENT_WAITING,  /* pausing before the next attempt */
    SEGMENT_FAILED,   /* the ladder is exhausted; the next text tries once more */
    SEGMENT_STATES
};

enum segment_input {
    SEGMENT_IN_WANT,       /* a client is there */
    SEGMENT_IN_UNWANT,     /* the last one left */
    SEGMENT_IN_READY,      /* the model accepted the setup */
    SEGMENT_IN_CLOSED,     /* the connection ended or could not be made: see facts */
    SEGMENT_IN_GO_AWAY,    /* facts.time_ms is left */
    SEGMENT_IN_TURN_ENDED, /* the talk is idle */
    SEGMENT_IN_HANDLE,     /* a resumable handle arrived */
    SEGMENT_IN_TIMER,      /* the delay of the last ARM is over */
    SEGMENT_IN_TEXT,       /* the user typed something */
    SEGMENT_IN_REOPEN,     /* the setup must change: another modality */
    SEGMENT_INPUTS
};

struct segment_facts {
    bool has_handle, turn_idle;
    bool may_resume, may_restart; /* CLOSED */
    bool back_off;                /* CLOSED: network or overload, which is not the handle's fault */
    int64_t time_ms;              /* GO_AWAY */
};

enum segment_action { /* in this order of bits */
    SEGMENT_CLOSE = 1 << 0,       /* close the socket that is there */
    SEGMENT_LOST = 1 << 1,        /* what the model was doing is gone */
    SEGMENT_DROP_HANDLE = 1 << 2,
    SEGMENT_OPEN_RESUME = 1 << 3,
    SEGMENT_OPEN_FRESH = 1 << 4,
    SEGMENT_ARM = 1 << 5,         /* timer: delay_ms; the setup deadline if delay_ms is 0 */
    SEGMENT_DISARM = 1 << 6,
    SEGMENT_TELL_CONNECTING = 1 << 7,
    SEGMENT_TELL_RECONNECTING = 1 << 8,
    SEGMENT_TELL_LIVE = 1 << 9,
    SEGMENT_FAIL = 1 << 10        /* tell cause and next step */
};

struct segment {
    enum segment_state state;
    unsigned attempts; /* since the last turn that ended well */
    bool was_live;     /* since the last failure or start */
};
struct segment_step {
    unsigned actions;
    uint32_t delay_ms;
};

struct segment_step segment_step(struct segment *segment, enum segment_input input,
                                 const struct segment_facts *facts);
/* Input may be sent to the model. */
bool segment_live(const struct segment *segment);
/* A connection is being made or will be. */
bool segment_pending(const struct segment *segment);
const char *segment_state_name(enum segment_state state);
#endif
