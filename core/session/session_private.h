/* session_private - what the files session*.c share. Not for anybody else. */
#ifndef SESSION_SESSION_PRIVATE_H
#define SESSION_SESSION_PRIVATE_H
#include "base/id.h"
#include "session/history.h"
#include "session/hook_chain.h"
#include "session/hold.h"
#include "session/joiner.h"
#include "session/notice.h"
#include "session/segment.h"
#include "session/session.h"
#include "session/tool_memory.h"
#include "session/tool_quota.h"
#include "session/tool_run.h"
#include "session/tool_state.h"
#include "session/toolset.h"
#include "session/turn.h"
#include "session/waiting.h"

#define SESSION_MAX_SAID_BYTES (4u * 1024 * 1024)
#define SESSION_MAX_MARKS 256
#define SESSION_MAX_PENDING 16
#define SESSION_INVOCATION_SIZE (ID_UUID_SIZE + 2)

/* Where in the transcript the speech had come to when so much audio had been sent. */
struct session_mark {
    size_t text_len;
    int64_t audio_ms;
};

/* What the model said in the running turn. */
struct session_said {
    int64_t audio_ms;      /* sent to the client in this turn */
    int64_t played_ms;     /* heard, as the client told; -1: it does not tell */
    bool any;              /* output of any kind was seen */
    struct buf user;       /* input transcript */
    struct buf transcript; /* output transcript */
    struct buf text;       /* text parts */
    struct session_mark *mark; /* owned: SESSION_MAX_MARKS, from the first transcript on */
    size_t marks_n;
    char *usage, *grounding, *reason; /* owned */
};

/* Why the last connection ended, for the client. */
struct session_fault {
    char code[64], message[512], hint[512];
    bool retryable;
};

struct session_again;
struct session_records {
    struct store_record *record; /* owned array; ids and texts owned too */
    size_t n, cap;
};

#define SESSION_MAX_CHECKS 256 /* things that hooks look at, at the same time; more: as if the hooks had failed */

/* What hooks have come to think: PASS: text is what was asked; REWRITE, ANSWER: the new text; REFUSE: the reason. */
typedef void session_checked_fn(struct session *session, uint64_t cookie, enum antiphon_verdict verdict,
                                const char *text, size_t len);
struct session_question {
    enum antiphon_hook_point point;
    const char *text;                  /* copied, as the rest */
    size_t len;
    const char *tool, *call_id, *args; /* or NULL */
    session_checked_fn *done;
    uint64_t cookie;
};

/* What a turn ends with. */
struct turn_end {
    char *reason, *grounding; /* owned */
    bool any;                 /* there was an answer */
    uint64_t turn;
};

/* In this order; up to TEXT: deltas of speech or text. */
enum speech_kind { SPEECH_INPUT, SPEECH_OUTPUT, SPEECH_TEXT, SPEECH_RECORD_INPUT, SPEECH_RECORD_OUTPUT, SPEECH_COMPLETE };
struct session_speech {
    struct buf held[SPEECH_TEXT + 1];  /* no whole sentence yet */
    struct speech_item *first, *last;  /* owned */
    unsigned n;
    bool stepping;
};

/* What every frame of audio touches comes first: with thousands of sessions each of these lines is fetched from
 * memory anew. */
struct session {
    struct client *active;       /* one of the clients, or NULL */
    void *conn;                  /* the model plugin's connection */
    const struct registry_model *model;
    struct client *clients;      /* owned, newest first */
    struct segment segment;
    unsigned in_model;           /* depth of calls from the model plugin */
    struct turn turn;
    struct joiner joiner;        /* audio on its way to the model */
    struct runtime *runtime;     /* borrowed */
    struct sessions *sessions;   /* borrowed: the shard */
    struct shard *shard;         /* borrowed */
    struct waiting waiting;
    struct hold hold;
    struct timer joiner_timer, first_byte_timer;
    unsigned commits;            /* under way */
    unsigned todo;               /* segment actions not yet carried out */
    bool loaded, claimed, stored, not_durable;

    uint64_t handle;
    char *user, *id;             /* owned */
    char *key;                   /* owned */
    const struct agent *agent;   /* borrowed */
    const char *backend;
    struct profile profile;
    char invocation[SESSION_INVOCATION_SIZE];

    bool turn_lost; /* something of the running turn could not be committed */
    struct tool_state *state;    /* a reference */
    struct history *history;     /* owned */
    struct session_records records; /* not yet handed to the store */
    uint64_t next_ticket;

    unsigned clients_n;

    struct session_said said;
    char *in_flight;             /* owned; the last typed text without an answer */
    size_t in_flight_len;
    uint64_t in_flight_item;     /* in history */
    bool resend, resent;

    struct timer segment_timer, linger_timer;
    bool todo_posted;
    antiphon_sink sink;
    bool audio;                  /* modality of the connection */
    bool was_ready;              /* some connection of this session was accepted */
    struct session_fault fault;
    char *resumption, *resumption_for; /* owned; handle and what it is good for */
    double resumption_time;      /* the handle knows what was said up to there */
    double turn_end_time;        /* of the last turn that ended */

    struct notices notices;      /* not yet said */

    struct toolset *toolset;     /* owned; the tools that the model was told of; NULL: none yet */
    struct tool_runs tools;
    struct tool_memory tool_memory; /* calls that are over; undo: a struct tool_job */
    struct tool_quota *quotas;   /* owned; one for each of the agent's tools, or NULL yet */
    struct timer tools_timer;
    struct timer hold_timer;     /* while it runs no results go to the model */
    uint64_t connection;         /* number of the connection to the model; 0: none yet */
    struct tool_run *pending;    /* owned; SESSION_MAX_PENDING calls that the model no longer waits for, or NULL */
    struct session_again *again; /* owned; calls of an earlier process that run again before the session is loaded */
    unsigned again_n;
    bool ending;                 /* shutdown: no new connection */

    struct session_check *checks; /* owned; what hooks are looking at */
    unsigned checks_n;
    uint64_t last_check;
    struct timer checks_timer;
    struct session_text *texts;  /* owned; typed, oldest first; hooks look at the first */
    unsigned texts_n;
    struct session_speech speech;
};

/* session_out.c: to the active client */
void session_tell(struct session *session, const struct antiphon_event *event);
void session_tell_client(struct session *session, struct client *client, const struct antiphon_event *event);
/* The event waits, with all that follows, for session_told(). */
void session_tell_held(struct session *session, const struct antiphon_event *event, uint64_t ticket);
void session_told(struct session *session, uint64_t ticket, bool saved);
void session_tell_error(struct session *session, const char *code, const char *message, const char *hint,
                        uint32_t flags);
void session_tell_state(struct session *session, const char *state);
void session_greet(struct session *session, struct client *client); /* hello and history */
void session_drop_audio(struct session *session);

/* session_hooks.c */
bool session_hooked(const struct session *session, enum antiphon_hook_point point);
/* question->done follows, perhaps before this returns; not if the session ends. */
void session_check(struct session *session, const struct session_question *question);
void session_checks_deinit(struct session *session);

/* session_texts.c: false: too many texts wait */
bool session_look_at_text(struct session *session, const char *text, size_t len) MUST_CHECK;
void session_texts_deinit(struct session *session);

/* session_speech.c: only if a hook looks on, or something waits here */
bool session_speech_waits(const struct session *session);
void session_speech_add(struct session *session, enum speech_kind kind, const char *text, size_t len);
void session_speech_end_input(struct session *session);
void session_speech_end_output(struct session *session, bool interrupted);
/* True: it takes end over, and session_complete_turn() follows. */
bool session_speech_end_turn(struct session *session, struct turn_end *end) MUST_CHECK;
void session_speech_init(struct session *session);
void session_speech_deinit(struct session *session);

/* session_model.c: what comes next of the transcript is heard when so much audio has been played */
void session_mark(struct session *session, int64_t audio_ms);

/* session_turn.c */
void session_complete_turn(struct session *session, struct turn_end *end); /* frees what end has */
void session_turn(struct session *session, enum turn_input input);
void session_apply_turn(struct session *session, unsigned actions);

/* session_record.c: to the store */
void session_record_user_text(struct session *session, const char *text, size_t len, uint64_t *item);
/* A text that a plugin sends to the model; it was said. */
void session_record_notice(struct session *session, const struct notice *notice, const char *text, uint64_t *item);
void session_record_input(struct session *session);
void session_record_output(struct session *session, bool interrupted);
/* The same at once, with the time when it was said (0: now). */
void session_write_input(struct session *session, double time);
void session_write_output(struct session *session, bool interrupted, double time);
void session_record_interrupted(struct session *session);
void session_record_call(struct session *session, const struct tool_run *run);
void session_record_response(struct session *session, const struct tool_run *run);
void session_record_handle(struct session *session);
/* State that was changed without a result: an event of its own. */
void session_record_delta(struct session *session, const char *delta);
/* The journal: the call is in that state now. */
void session_record_tool(struct session *session, const struct tool_run *run, const char *state);
/* Hands everything over; session_tools_committed() follows with that number. 0: nothing follows (not durable). */
uint64_t session_record_launch(struct session *session);
/* The end of the turn; hands everything over. The ticket is 0 if nothing waits for a commit (not durable). */
uint64_t session_record_complete(struct session *session, const struct turn_end *end);
void session_record_flush(struct session *session); /* not before the session is loaded */
void session_record_deinit(struct session *session);
void session_said_reset(struct session *session);

/* session_segment.c */
void session_want(struct session *session); /* open or reopen what the active client needs, or let go */
void session_segment(struct session *session, enum segment_input input, struct segment_facts facts);
void session_closed(struct session *session, const struct antiphon_event *event);
bool session_wants_audio(const struct session *session);
void session_disconnect(struct session *session); /* closes the connection at once */

/* session_run.c: the JSON that opens a connection */
enum antiphon_status session_run_print(struct session *session, bool resume, struct buf *out, struct err *err)
    MUST_CHECK;

/* Whether the model does what the tool is for; else it is a function, or is left out if it is none. */
bool session_is_native(const struct session *session, const struct antiphon_tool *tool);

/* The model does not wait for its tools: each result is handed in by itself, when it is there. */
bool session_answers_apart(const struct session *session);

/* session_input.c */
void session_send_waiting(struct session *session); /* after READY */
/* A whole message for the model, which is connected; false: it was not taken. */
bool session_send_text(struct session *session, const char *text, size_t len, uint64_t item);

/* A typed text that no hook has anything against. */
void session_take_text(struct session *session, const char *text, size_t len);

/* session_notice.c */
void session_notice_step(struct session *session); /* says the next one if it can be said now */
void session_load_notices(struct session *session, const struct store_rows *rows);

/* session_tools.c */
void session_on_tool_call(struct session *session, const struct antiphon_event *event);
void session_answer_tools(struct session *session);
void session_tools_committed(struct session *session, uint64_t ticket);
void session_drop_tools(struct session *session, const char *reason); /* all end, nobody is answered */
void session_forget_tools(struct session *session);    /* calls that are over */
void session_tools_deinit(struct session *session);
enum antiphon_status session_take_toolset(struct session *session) MUST_CHECK; /* if it has none */
void session_drop_toolset(struct session *session);    /* the next one may have newer versions */
void session_launch_tool(struct session *session, struct tool_run *run);
void session_fail_tool(struct session *session, struct tool_run *run, enum antiphon_status status, const char *reason,
                       const struct buf *why);
void session_tell_tool(struct session *session, const struct tool_run *run, const char *state, const char *text,
                       size_t len);

void session_tool_ended(struct session *session, struct tool_run *run); /* state and response are final */
void session_give_up_job(struct tool_run *run);
/* A plugin in a process of its own has a keeper that says it. */
void session_log_late(const struct session *session, const struct tool_run *run);
void session_take_delta(struct tool_run *run); /* from its job, before that is given up */

void session_allow_tool(struct session *session, struct tool_run *run);
void session_show_args(struct tool_run *run, const char *args); /* how everybody but the tool may see them */

/* session_tool_hooks.c: past the hooks, perhaps later; session_allow_tool() or session_tool_ended() follows */
void session_tool_checked(struct session *session, struct tool_run *run);
void session_tool_result(struct session *session, struct tool_run *run, enum antiphon_status status, const char *text,
                         size_t len);

/* session_pending.c: calls of LONG_RUNNING tools */
struct tool_result;
void session_pend_tool(struct session *session, struct tool_run *run); /* one that has just begun, if it is one */
bool session_pending_result(struct session *session, const struct tool_result *result) MUST_CHECK; /* false: not one */
struct tool_run *session_pending_find(struct session *session, uint64_t number); /* NULL: not one */
bool session_pending_ended(struct session *session, struct tool_run *run) MUST_CHECK; /* false: not one */
bool session_pending_cancel(struct session *session, const char *id) MUST_CHECK;
uint64_t session_pending_deadline(const struct session *session); /* 0: none */
void session_pending_expire(struct session *session, uint64_t now);
void session_pending_drop(struct session *session, const char *reason);

/* session_tool_cancel.c */
void session_on_tool_cancel(struct session *session, const char *id);
void session_interrupt_tools(struct session *session); /* the user spoke: by each tool's policy; all are answered */
void session_release_tools(struct session *session);   /* what that held back goes out */
void session_stop_tools(struct session *session);      /* the user's stop: all end and are answered */
void session_stop_tool(struct session *session, struct tool_run *run);

/* session_recover.c: session_loaded() follows, perhaps later */
void session_recover_tools(struct session *session, struct store_snapshot *snapshot);
void session_recover_deinit(struct session *session);

/* session_confirm.c */
void session_ask(struct session *session, struct tool_run *run);
void session_ask_expired(struct session *session, struct tool_run *run);
void session_ask_again(struct session *session); /* another client is active now */
/* false: there is no such question, or not for this client. */
bool session_on_confirm(struct session *session, struct client *client, const struct client_input *input) MUST_CHECK;

/* session.c */
void session_loaded(struct session *session); /* what is stored of it is known */
void session_activate(struct session *session, struct client *client); /* a passive one that speaks up */
void session_maybe_end(struct session *session);
#endif
