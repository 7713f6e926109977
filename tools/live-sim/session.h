/* session - the conversation on one connection: setup, history, voice detection, the answer being
 * given, open tool calls. It talks to its conn and is driven by it; everything on the loop's
 * thread.
 *
 * session.c runs answers and interruptions, intake.c reads client messages, words.c decides what to
 * answer, play.c carries out scenario rules. */
#ifndef LIVE_SIM_SESSION_H
#define LIVE_SIM_SESSION_H
#include "history.h"
#include "scenario.h"
#include "setup.h"
#include "turn.h"

#define SESSION_MAX_CALLS   64 /* open at a time; more are not made */
#define SESSION_MAX_PENDING 16 /* inputs waiting for the end of an answer; more are dropped */
#define SESSION_MAX_EARLY                                                                          \
    (1U << 20)               /* bytes held until setupComplete; more is refused with 1007          \
                              */
#define SESSION_MAX_PLAYS 16 /* scenario rules waiting for the one that runs */

struct conn;

struct session_call {
    char id[64];
    bool blocking;
};

enum session_input { SESSION_TEXT, SESSION_SPEECH, SESSION_TOOLS };

struct session_pending {
    enum session_input kind;
    char *text; /* owned; for SESSION_SPEECH the transcript */
    uint32_t ms;
    bool scripted;   /* the transcript came from a scenario */
    bool remembered; /* it is in the history already */
};

struct session_play {
    const struct scenario_rule *rule; /* borrowed */
    struct session_pending input;     /* what the rule answered; owned */
    size_t next;
};

struct session {
    struct conn *conn; /* borrowed: embeds us */
    struct setup setup;
    bool seen_setup, ready, silent;
    bool seeding;      /* clientContent is initial history, nothing is generated */
    bool told;         /* that this is not a model */
    uint32_t messages; /* client messages since setup, for transparent resumption */
    struct history history;
    struct vad vad;
    bool activity; /* between activityStart and activityEnd */
    uint64_t activity_bytes;
    uint32_t activity_rate;
    struct turn turn;
    bool running;    /* an answer is being given */
    uint64_t due_ms; /* when its next step is */
    struct session_call calls[SESSION_MAX_CALLS];
    size_t call_count;
    char *last_response;             /* owned: of the tool that answered last, compact JSON */
    char *cancel[SESSION_MAX_CALLS]; /* owned ids that CONN_CANCEL will cancel */
    size_t cancel_count;
    struct session_pending pending[SESSION_MAX_PENDING];
    size_t pending_count;
    struct session_play plays[SESSION_MAX_PLAYS];
    size_t play_count;
    struct bytes early; /* messages before setupComplete, each with its length in front */
};

void session_init(struct session *session, struct conn *conn);
void session_free(struct session *session);

/* From conn. */
void session_on_open(struct session *session);
void session_on_message(struct session *session, const char *text, size_t len);
void session_on_turn_timer(struct session *session);
void session_on_setup_timer(struct session *session);
void session_on_cancel_timer(struct session *session);

/* From intake: something the user did. interrupts is false for input that must wait its turn. */
void session_text(struct session *session, const char *text, bool interrupts);
/* "Answer now": the last thing the user said, if it was not answered yet. */
void session_answer_now(struct session *session);
void session_speech_begins(struct session *session);
void session_speech(struct session *session, uint32_t ms);
void session_tools_answered(struct session *session, bool interrupts);
void session_accept_setup(struct session *session);
/* Stops the answer and open blocking calls; false when there was nothing to stop. */
bool session_interrupt(struct session *session);
void session_refuse(struct session *session, uint16_t code, const char *reason);
bool session_has_blocking_calls(const struct session *session);
struct turn_style session_style(const struct session *session);
/* Starts the answer built in session->turn. */
void session_run(struct session *session);
/* What follows an input when no scenario takes it. */
void session_answer(struct session *session, const struct session_pending *input);

/* intake.c: a client message after setup, already normalised. */
void intake_message(struct session *session, cJSON *message);

/* words.c: builds the answer to text in session->turn. */
void words_answer(struct session *session, const char *text);
void words_answer_speech(struct session *session, uint32_t ms);
void words_answer_tools(struct session *session);

/* play.c */
/* true when a rule has taken the event; input may be NULL. */
bool play_event(struct session *session, enum scenario_trigger on, const char *text,
                const struct session_pending *input);
void play_on_timer(struct session *session);
void play_free(struct session *session);
#endif
