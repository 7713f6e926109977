/* antiphon/plugin.h - the whole contract between the runtime and its plugins.
 *
 * 1. A plugin exports one symbol, antiphon_plugin_v1(), and imports none from the host.
 * 2. A struct that crosses the boundary starts with struct_size, set by whoever built it, and never
 *    ends in padding. Fields are only appended; test an appended one with ANTIPHON_HAS().
 *    Arrays cross as arrays of pointers, so that their elements can grow.
 * 3. Text is UTF-8, JSON is text. Memory never changes owner: what you are given is borrowed until
 *    you return (a tool call until finish()); what you pass has been copied when the call returns.
 * 4. A plugin leaves process state alone: signals, locale, working directory, environment, stdio.
 *    Threads it starts block all signals and are joined in shutdown().
 *
 * Threads:
 *   init, shutdown                  main thread; may block
 *   tool.invoke, tool.undo,
 *   antiphon_timer_fn               a worker; may block (a call: until its deadline); may run beside
 *                                   itself unless ANTIPHON_TOOL_EXCLUSIVE
 *   hook.run                        a worker; may block until its budget is used up; beside itself
 *   tool.cancel                     any thread; must not block
 *   model.open/send/close/wake and
 *   all antiphon_ws_handlers        the session's own loop thread; must not block
 *   antiphon_http_done_fn           the runtime's HTTP thread; must not block
 *   host functions                  any thread and never block, unless their comment says otherwise
 *
 * Compiles as C99, C11 and C++17 with gcc and clang, and needs nothing else.
 */
#ifndef ANTIPHON_PLUGIN_H
#define ANTIPHON_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ANTIPHON_ABI "1.0" /* major: the symbol's name; minor: what struct_size tells */
#define ANTIPHON_EXPORT __attribute__((visibility("default")))
#define ANTIPHON_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define ANTIPHON_HAS(p, field)                                                                     \
    ((p)->struct_size >= offsetof(__typeof__(*(p)), field) + sizeof((p)->field))

/* Append only; errors are negative. */
enum antiphon_status {
    ANTIPHON_OK = 0,
    ANTIPHON_EINVAL = -1,       /* the input is wrong; the text says what would be right */
    ANTIPHON_ENOMEM = -2,
    ANTIPHON_ENOTFOUND = -3,
    ANTIPHON_EDENIED = -4,
    ANTIPHON_ETIMEOUT = -5,
    ANTIPHON_ECANCELLED = -6,
    ANTIPHON_EBUSY = -7,        /* a bounded queue is full */
    ANTIPHON_EUNAVAILABLE = -8, /* the other side is not there */
    ANTIPHON_EPROTOCOL = -9,    /* the other side broke its protocol */
    ANTIPHON_EINTERNAL = -10,
    ANTIPHON_ETOOBIG = -11,     /* a stated limit was exceeded */
    ANTIPHON_EEXISTS = -12,
    ANTIPHON_ECONFIRM = -13     /* finish() only: ask the owner first, see struct antiphon_tool */
};

enum antiphon_log_level { ANTIPHON_DEBUG, ANTIPHON_INFO, ANTIPHON_WARN, ANTIPHON_ERROR };

struct antiphon_host; /* one per plugin, valid from init() to shutdown() */
struct antiphon_call; /* one tool call, valid from invoke() to finish() */
struct antiphon_check; /* one question to a hook, valid from run() to decide() */
struct antiphon_ws;   /* one outgoing WebSocket, valid until on_close() or ws_close() */

/* Where a model connection delivers its events: a handle, valid on any thread for ever (events for
 * a connection that is gone are dropped). */
typedef uint64_t antiphon_sink;

struct antiphon_span {
    const void *data;
    size_t len;
};

/* ---- events: the one currency between session, model, store and clients ---------------------- */

/* The direction is "to the model" (send), "from the model" (emit) or both. */
enum antiphon_event_type {
    ANTIPHON_EV_TEXT = 1,        /* both; data: UTF-8. To: one whole user message. From: a delta;
                                    flag THOUGHT for the model's thinking */
    ANTIPHON_EV_AUDIO,           /* both; data: one span of mono s16le PCM at sample_rate, in `encoding` */
    ANTIPHON_EV_IMAGE,           /* to; name: mime type, data: in `encoding` (a video frame) */
    ANTIPHON_EV_ACTIVITY_START,  /* to; only when automatic detection is off */
    ANTIPHON_EV_ACTIVITY_END,    /* to */
    ANTIPHON_EV_AUDIO_END,       /* to; the microphone is off */
    ANTIPHON_EV_TOOL_RESULTS,    /* to; data: JSON array of {"id","name","response",("scheduling")} */
    ANTIPHON_EV_READY,           /* from; setup is accepted, input may flow; once, first */
    ANTIPHON_EV_INPUT_TRANSCRIPT,  /* from; data: UTF-8 delta of what the user said; FINAL: utterance ended */
    ANTIPHON_EV_OUTPUT_TRANSCRIPT, /* from; data: UTF-8 delta of what the model says; FINAL as above */
    ANTIPHON_EV_TOOL_CALL,       /* from; id, name, data: JSON object of arguments; index and count
                                    tell its place among the calls of one message */
    ANTIPHON_EV_TOOL_CANCEL,     /* from; id */
    ANTIPHON_EV_GROUNDING,       /* from; data: JSON object groundingMetadata */
    ANTIPHON_EV_CODE,            /* from; name "executableCode" or "codeExecutionResult", data: JSON */
    ANTIPHON_EV_USAGE,           /* from; data: JSON object usageMetadata, in the names of stored
                                    events (candidatesTokenCount ...) */
    ANTIPHON_EV_GENERATION_COMPLETE, /* from */
    ANTIPHON_EV_TURN_COMPLETE,   /* from; name: reason or NULL */
    ANTIPHON_EV_INTERRUPTED,     /* from */
    ANTIPHON_EV_VOICE_ACTIVITY,  /* from; name "ACTIVITY_START" or "ACTIVITY_END" */
    ANTIPHON_EV_GO_AWAY,         /* from; time_ms: time left */
    ANTIPHON_EV_RESUMPTION,      /* from; data: the handle; flag RESUMABLE, else "not at this moment" */
    ANTIPHON_EV_CLOSED           /* from; once, last: status, code (WebSocket close code, 0 none),
                                    name: our error code, data: cause, detail: next step; flags
                                    MAY_RESUME, MAY_RESTART, BACK_OFF */
};

#define ANTIPHON_FLAG_FINAL (1u << 0)
#define ANTIPHON_FLAG_THOUGHT (1u << 1)
#define ANTIPHON_FLAG_RESUMABLE (1u << 2)
#define ANTIPHON_FLAG_MAY_RESUME (1u << 3)  /* CLOSED: connecting again with the handle may help */
#define ANTIPHON_FLAG_MAY_RESTART (1u << 4) /* CLOSED: a fresh connection without handle may help */
#define ANTIPHON_FLAG_BACK_OFF (1u << 5)    /* CLOSED: wait before trying (overload, quota) */

enum antiphon_encoding { ANTIPHON_RAW = 0, ANTIPHON_BASE64 = 1 /* standard alphabet, padded */ };

struct antiphon_event {
    uint32_t struct_size;
    uint32_t type;              /* enum antiphon_event_type */
    int32_t status;             /* enum antiphon_status */
    uint32_t flags;
    uint32_t encoding;          /* enum antiphon_encoding of data */
    uint32_t sample_rate;       /* Hz */
    uint32_t index, count;
    int32_t code;
    uint32_t reserved;
    int64_t time_ms;
    const char *id, *name, *detail;
    const void *data;           /* not NUL-terminated unless a text constant */
    size_t len;                 /* bytes */
};

/* ---- models ---------------------------------------------------------------------------------- */

/* All functions on the session's loop thread. emit() delivers before it returns; from within it the
 * host may call send() of the same connection, but never close(). */
struct antiphon_model {
    uint32_t struct_size, flags;
    const char *name; /* what an agent's `live.provider` and the profiles name */
    /* Key of the model profiles ("gemini_api", "vertex"): which backend the configuration selects. */
    const char *(*backend)(void *state);
    /* Starts connecting. `run` is a JSON object, see docs/plugins.md "The run": model, modality,
     * instruction, tools, generation, live, resumption, history, profile. *conn is yours until
     * close(). Later failures arrive as one CLOSED event. */
    enum antiphon_status (*open)(void *state, antiphon_sink sink, const char *run, size_t run_len,
                                 void **conn, char *why, size_t why_size);
    /* ANTIPHON_EBUSY: the queue for text and control is full and nothing was taken; audio is never
     * refused, its oldest queued frame is dropped instead. */
    enum antiphon_status (*send)(void *conn, const struct antiphon_event *event);
    void (*close)(void *conn); /* closes the socket at once; nothing may be emitted afterwards */
    /* Optional; answer to host->wake(). */
    void (*wake)(void *conn);
};

/* ---- outgoing WebSockets (for models) -------------------------------------------------------- */

enum antiphon_ws_stage {
    ANTIPHON_WS_RESOLVE, ANTIPHON_WS_CONNECT, ANTIPHON_WS_TLS, ANTIPHON_WS_UPGRADE, ANTIPHON_WS_OPEN
};

struct antiphon_ws_end {
    uint32_t struct_size;
    uint32_t stage;      /* how far it had come: enum antiphon_ws_stage */
    int32_t status;      /* ANTIPHON_ETIMEOUT, _EUNAVAILABLE, _EPROTOCOL, _OK (a close frame came) */
    int32_t code;        /* close code; 1006 without a close frame, 1005 with an empty one */
    int32_t http_status; /* of a refused upgrade, else 0 */
    uint32_t reserved;
    const char *reason;  /* close reason or cause, never NULL, no secrets */
};

struct antiphon_ws_handlers {
    uint32_t struct_size, reserved;
    void (*on_open)(void *ctx);
    /* One whole message; data is borrowed for the call. Text and binary alike. */
    void (*on_message)(void *ctx, const char *data, size_t len);
    /* Exactly once and last, unless ws_close() came first. */
    void (*on_close)(void *ctx, const struct antiphon_ws_end *end);
};

struct antiphon_ws_request {
    uint32_t struct_size;
    uint32_t resolve_timeout_ms, connect_timeout_ms; /* 0: the host's defaults (2 s, 5 s) */
    uint32_t max_message;                            /* bytes; 0: 16 MiB */
    const char *url;                                 /* ws:, wss:, http: or https: */
    const char *const *headers;                      /* name, value, name, value, ..., NULL */
};

enum antiphon_ws_kind {
    ANTIPHON_WS_CONTROL, /* never dropped: EBUSY when full */
    ANTIPHON_WS_AUDIO    /* when full the oldest queued audio message is dropped and counted */
};

/* ---- outgoing HTTP --------------------------------------------------------------------------- */

/* Secrets: in header values and in the body, {{secret:KEY}} stands for the value of the
 * configuration key KEY ("object.key" inside an object, "array.0.key" inside an array), which must
 * be marked "writeOnly"; the host puts it in. A URL never holds a secret. Redirects are followed, at most three, from https to
 * https only. Not so with secrets in the request or if the manifest names hosts: the redirect is
 * the answer then. */
struct antiphon_http_response;
/* One part of a body, on the HTTP thread: must not block. false: it was enough, the request ends with ECANCELLED. */
typedef bool antiphon_http_part_fn(void *ctx, const struct antiphon_http_response *response);

struct antiphon_http_request {
    uint32_t struct_size;
    uint32_t timeout_ms; /* whole transfer; 0: 10 s */
    uint32_t max_body;   /* bytes; 0: 1 MiB */
    uint32_t flags;      /* ANTIPHON_HTTP_* */
    const char *method, *url;
    const char *const *headers; /* name, value, ..., NULL */
    const void *body;
    size_t body_len;
    /* Optional: gets the body as it comes, in order, each part with http_status and headers, before done() with the same
     * ctx, which then gets an empty one. max_body and timeout_ms bound the whole. */
    antiphon_http_part_fn *part;
};
#define ANTIPHON_HTTP_ALLOW_PRIVATE (1u << 0) /* may reach loopback, private and link-local addresses */
#define ANTIPHON_HTTP_NO_REDIRECT (1u << 1)   /* a redirect is the answer */

struct antiphon_http_response {
    uint32_t struct_size;
    int32_t status;      /* enum antiphon_status: did an answer arrive at all */
    int32_t http_status;
    uint32_t reserved;
    const char *error;   /* cause if status is not OK */
    const char *headers; /* raw header lines of the last response */
    const void *body;
    size_t body_len;
};
typedef void antiphon_http_done_fn(void *ctx, const struct antiphon_http_response *response);

/* ---- tools ----------------------------------------------------------------------------------- */

#define ANTIPHON_CALL_CONFIRMED (1u << 0) /* the owner has agreed to exactly these arguments */
#define ANTIPHON_CALL_UNDO (1u << 1)      /* undo(): args is the receipt */
#define ANTIPHON_CALL_AGAIN (1u << 2)     /* the server crashed while this call ran; READ_ONLY tools only */

struct antiphon_call {
    uint32_t struct_size, flags; /* ANTIPHON_CALL_* */
    const char *tool, *call_id;
    /* Who asks. app, user_id and session_id together name the conversation for ever; agent is the
     * agent that it talks to. */
    const char *app, *user_id, *session_id, *agent;
    const char *args;     /* JSON object, already valid against the tool's schema; NUL-terminated */
    size_t args_len;      /* bytes, without the NUL */
    uint64_t deadline_ms; /* on the host->now_ms() clock */
};

#define ANTIPHON_TOOL_READ_ONLY (1u << 0) /* changes nothing: may be repeated, is never confirmed */
#define ANTIPHON_TOOL_EXCLUSIVE (1u << 1) /* never two calls at once in the whole process */
/* Runs only after the owner of the conversation has agreed to its exact arguments on the page. For
 * some arguments only: leave the flag away and finish with ANTIPHON_ECONFIRM. */
#define ANTIPHON_TOOL_NEEDS_CONFIRMATION (1u << 2)
/* Takes longer than a conversation can wait: the model is told at once that the result is pending,
 * and gets it when it is there. The deadline is an hour unless timeout_ms says otherwise. */
#define ANTIPHON_TOOL_LONG_RUNNING (1u << 3)
/* The model talks on while it runs, where it can; the result is handed in by `scheduling`. */
#define ANTIPHON_TOOL_NON_BLOCKING (1u << 4)
/* Goes on when the user interrupts. What the model takes back, the user's stop, the deadline and
 * the end of the conversation still cancel it. */
#define ANTIPHON_TOOL_KEEP_ON_INTERRUPT (1u << 5)
/* No tool, but the name of a set of tools: an agent that names it has all tools that say it as their `set`, those that
 * come later too. It has a name and nothing else; there may be no tool in it. */
#define ANTIPHON_TOOL_SET (1u << 6)

struct antiphon_tool {
    uint32_t struct_size;
    uint32_t flags;      /* ANTIPHON_TOOL_*; 0: as in the manifest, else none */
    uint32_t timeout_ms; /* 0: the host's default */
    uint32_t reserved;
    const char *name;
    /* NULL: as in the manifest. A parameter with "writeOnly": true is a secret: neither database
     * nor log nor page see it. */
    const char *description;
    const char *params_schema; /* JSON Schema of an object; NULL: as in the manifest, else no arguments */
    /* A native tool runs inside the model: no invoke(), but the name of the feature that a model
     * profile must allow and the JSON object that goes into the setup's tools. With invoke() as
     * well, it is a function for the models that lack the feature. */
    const char *native_feature, *native_fragment;
    /* With NON_BLOCKING: "SILENT", "WHEN_IDLE" or "INTERRUPT"; NULL: WHEN_IDLE. */
    const char *scheduling;
    /* Return ANTIPHON_OK and end the call with exactly one finish(), before or after returning,
     * from any thread; or return an error and do not call finish(). */
    enum antiphon_status (*invoke)(void *state, struct antiphon_call *call);
    /* Optional: nobody wants this result any more; finish() is still due and will be discarded. */
    void (*cancel)(void *state, struct antiphon_call *call);
    /* Optional: takes back what a call that left a receipt() has done, after it was cancelled too
     * late or on the user's wish. A call as with invoke(), with its own finish(); call_id is the
     * one of the call to undo, flags has CALL_UNDO, args is the receipt. */
    enum antiphon_status (*undo)(void *state, struct antiphon_call *call);
    const char *set; /* Optional: the set it belongs to, see ANTIPHON_TOOL_SET */
};

/* ---- hooks ----------------------------------------------------------------------------------- */

/* Where a hook looks on, and what `text` is there. */
enum antiphon_hook_point {
    /* A typed message, before the model gets it; UTF-8. */
    ANTIPHON_HOOK_USER_TEXT = 1,
    /* What the user said, a sentence at a time, before it is shown and stored; UTF-8. The model has
     * heard it already. Deltas are gathered until a sentence has ended. */
    ANTIPHON_HOOK_INPUT_TRANSCRIPT,
    /* The same of the model, spoken or written. Its audio is never delayed. */
    ANTIPHON_HOOK_OUTPUT_TRANSCRIPT,
    /* Arguments, valid, before the tool runs and before anybody is asked to confirm; JSON object. */
    ANTIPHON_HOOK_BEFORE_TOOL,
    /* The result of a tool that ran, before the model gets it; JSON object, an error is
     * {"error": text}. */
    ANTIPHON_HOOK_AFTER_TOOL
};
#define ANTIPHON_HOOK_AT(point) (1u << (point)) /* bit of struct antiphon_hook.points */

/* Hooks are asked in the order of registration, plugins in the order in which they were loaded. The
 * first opinion that is not PASS decides, and no further hook is asked. */
enum antiphon_verdict {
    ANTIPHON_PASS = 0, /* no opinion */
    /* Go on with this text; a JSON object at the tool points, arguments are validated again. */
    ANTIPHON_REWRITE,
    /* text: the reason, for a person. USER_TEXT: the model never gets it, the user sees the reason.
     * Transcripts: neither shown nor stored, and the model's answer is stopped. BEFORE_TOOL: the
     * tool does not run, the model gets {"error": reason}. AFTER_TOOL: the model gets that instead
     * of the result. */
    ANTIPHON_REFUSE,
    /* BEFORE_TOOL only: the tool does not run, this JSON value is its result. */
    ANTIPHON_ANSWER
};

struct antiphon_check {
    uint32_t struct_size, point; /* enum antiphon_hook_point */
    const char *app, *user_id, *session_id, *agent;
    const char *tool, *call_id; /* tool points, else NULL */
    const char *args;           /* AFTER_TOOL: the arguments it ran with, else NULL; JSON object */
    size_t args_len;
    const char *text;           /* what is asked about; NUL-terminated */
    size_t text_len;
    uint64_t deadline_ms;       /* end of the budget, on the host->now_ms() clock */
};

#define ANTIPHON_HOOK_FAIL_CLOSED (1u << 0) /* error, crash or late: REFUSE; without it: PASS */
/* Only watches: is told about everything, also what another hook has decided (its text is the
 * outcome); nobody waits for it and its verdict is ignored. */
#define ANTIPHON_HOOK_WATCH (1u << 1)

struct antiphon_hook {
    uint32_t struct_size, flags; /* ANTIPHON_HOOK_FAIL_CLOSED, _WATCH */
    uint32_t points;             /* ANTIPHON_HOOK_AT(...) | ... */
    uint32_t budget_ms;          /* 0: 100 ms; at most 10 s. What comes later is ignored */
    const char *name;            /* for the log; [A-Za-z0-9_-], unique in the plugin */
    /* Return ANTIPHON_OK and answer with exactly one decide(), before or after returning, from any
     * thread; or return an error and do not call decide(). */
    enum antiphon_status (*run)(void *state, struct antiphon_check *check);
};

/* ---- notices, the plugin's data, timers ------------------------------------------------------ */

/* Something the model shall tell the user unasked, such as a reminder that is due. */
struct antiphon_notice {
    uint32_t struct_size;
    uint32_t ttl_s; /* how long it waits for its conversation; 0: a day, at most 30 days */
    const char *app, *user_id, *session_id; /* as in the call */
    const char *text; /* for the model; UTF-8, at most 4 KiB */
    size_t len;
};

struct antiphon_row {
    uint32_t struct_size, reserved;
    const char *key;    /* NUL-terminated */
    const char *value;  /* as it was put; a NUL follows */
    size_t len;         /* bytes of value, without the NUL */
    int64_t updated_ms; /* since 1970, UTC */
};
typedef bool antiphon_row_fn(void *ctx, const struct antiphon_row *row); /* false: no more */

struct antiphon_store_query {
    uint32_t struct_size;
    uint32_t limit;      /* rows; 0: 100, at most 1,000 */
    const char *user_id; /* whose data; NULL: the data that belongs to nobody */
    const char *prefix;  /* keys that begin so; NULL: all */
    /* Words that the value must hold, all of them, parts of words too, in any script and without
     * regard to case; the best match comes first. NULL: everything, ordered by key. */
    const char *text;
};

typedef void antiphon_timer_fn(void *ctx);

/* ---- the host -------------------------------------------------------------------------------- */

struct antiphon_host {
    uint32_t struct_size, reserved;
    void *impl;
    void (*log)(const struct antiphon_host *h, enum antiphon_log_level level, const char *fmt, ...)
        ANTIPHON_PRINTF(3, 4);
    uint64_t (*now_ms)(const struct antiphon_host *h); /* monotonic */
    int64_t (*wall_ms)(const struct antiphon_host *h); /* since 1970, UTC */

    /* init() only; copied; all dropped again by the host if init() fails. */
    enum antiphon_status (*add_tool)(const struct antiphon_host *h, const struct antiphon_tool *tool);
    enum antiphon_status (*add_model)(const struct antiphon_host *h, const struct antiphon_model *model);
    enum antiphon_status (*add_hook)(const struct antiphon_host *h, const struct antiphon_hook *hook);

    /* The one end of a call. text: a JSON value if status is ANTIPHON_OK, else a message for the
     * model. ANTIPHON_ECONFIRM: text is a question for the owner; if the answer is yes, invoke()
     * comes again with the same arguments and CALL_CONFIRMED, as a new call with the same id. */
    void (*finish)(const struct antiphon_host *h, struct antiphon_call *call,
                   enum antiphon_status status, const char *text, size_t len);
    bool (*cancelled)(const struct antiphon_host *h, const struct antiphon_call *call);
    /* Shown to the user while the call runs; text is UTF-8, at most 1 KiB. More than 20 in a second
     * of one call, events of publish() included, are dropped. */
    void (*progress)(const struct antiphon_host *h, struct antiphon_call *call, const char *text,
                     size_t len);
    /* What undo() will need; JSON object, at most 64 KiB. Kept with the call, a second one replaces
     * it. Give it before the effect can no longer be stopped. ECANCELLED: the call was cancelled;
     * do not go on. ENOTFOUND: the tool has no undo(). */
    enum antiphon_status (*receipt)(const struct antiphon_host *h, struct antiphon_call *call,
                                    const char *json, size_t len);
    /* An event for the page of the conversation, if one that understands it is open; else nothing
     * happens. name: [a-z0-9_]{1,64}; json: a JSON value, at most 64 KiB. EBUSY: too many, see
     * progress(). */
    enum antiphon_status (*publish)(const struct antiphon_host *h, struct antiphon_call *call,
                                    const char *name, const char *json, size_t len);
    /* State of the conversation. The key's prefix is its scope: none: this conversation, "user:":
     * all of the user's, "app:": all of the app's, "temp:": this turn, stored nowhere. Values are
     * JSON text, at most 64 KiB; keys at most 256 bytes. get copies value and a NUL; ENOTFOUND;
     * ETOOBIG: *len tells what is needed. What set changes is seen by all later calls of the
     * conversation at once and is stored with the call's result; json NULL sets null. ECANCELLED:
     * nobody waits for this call. */
    enum antiphon_status (*state_get)(const struct antiphon_host *h, const struct antiphon_call *call,
                                      const char *key, char *json, size_t size, size_t *len);
    enum antiphon_status (*state_set)(const struct antiphon_host *h, struct antiphon_call *call,
                                      const char *key, const char *json, size_t len);

    /* Answer of a hook; text for REWRITE, REFUSE and ANSWER. The first decide() of a check counts. */
    void (*decide)(const struct antiphon_host *h, struct antiphon_check *check,
                   enum antiphon_verdict verdict, const char *text, size_t len);

    /* OK: the notice was taken. It is told when nobody speaks and the model is idle; if the
     * conversation is not open, it waits in the database until it is or ttl_s is over. ENOTFOUND:
     * there is no such conversation. EBUSY: 100 wait for it already. May block: see store_get. */
    enum antiphon_status (*notify)(const struct antiphon_host *h, const struct antiphon_notice *notice);

    /* The plugin's own small data, which no other plugin sees and which outlives the process: per
     * user, or global with user_id NULL. Keys: UTF-8, 1 to 256 bytes; values: UTF-8, at most 64
     * KiB; at most 10,000 rows of one user (EBUSY). These block until it is done (milliseconds; at
     * most 5 s, then ETIMEOUT) and are for workers, init() and the plugin's own threads; on loop
     * and HTTP threads: EDENIED; once the server is stopping: EUNAVAILABLE. put: OK means synced to
     * disk; value NULL removes the row (OK if there was none). get copies the value and a NUL;
     * ENOTFOUND; ETOOBIG: *len tells what is needed. find calls row for each, on this thread. */
    enum antiphon_status (*store_get)(const struct antiphon_host *h, const char *user_id, const char *key,
                                      char *value, size_t size, size_t *len);
    enum antiphon_status (*store_put)(const struct antiphon_host *h, const char *user_id, const char *key,
                                      const char *value, size_t len);
    enum antiphon_status (*store_find)(const struct antiphon_host *h,
                                       const struct antiphon_store_query *query, antiphon_row_fn *row,
                                       void *ctx);

    /* Calls fn(ctx) once, delay_ms from now, on a worker. EBUSY: 1,000 timers of this plugin wait.
     * *timer may be NULL. After timer_cancel() answered true fn will not be called; false: it was
     * or is being called. What waits at shutdown() is dropped. */
    enum antiphon_status (*timer_start)(const struct antiphon_host *h, uint64_t delay_ms,
                                        antiphon_timer_fn *fn, void *ctx, uint64_t *timer);
    bool (*timer_cancel)(const struct antiphon_host *h, uint64_t timer);

    /* On the sink's loop thread, between open() and close(). */
    void (*emit)(const struct antiphon_host *h, antiphon_sink sink, const struct antiphon_event *event);
    /* Any thread: asks for model.wake() on the sink's loop thread, if the connection still lives. */
    void (*wake)(const struct antiphon_host *h, antiphon_sink sink);
    /* On the sink's loop thread. */
    enum antiphon_status (*ws_open)(const struct antiphon_host *h, antiphon_sink sink,
                                    const struct antiphon_ws_request *request,
                                    const struct antiphon_ws_handlers *handlers, void *ctx,
                                    struct antiphon_ws **ws);
    /* One text message from the parts in order. */
    enum antiphon_status (*ws_send)(const struct antiphon_host *h, struct antiphon_ws *ws,
                                    enum antiphon_ws_kind kind, const struct antiphon_span *parts,
                                    size_t n);
    /* Sends a close frame if it can, frees ws; no handler is called any more. */
    void (*ws_close)(const struct antiphon_host *h, struct antiphon_ws *ws, int code,
                     const char *reason);
    /* done() is called exactly once if this returned OK. EBUSY: 1,000 requests are waiting.
     * EDENIED: the manifest does not permit that host. EINVAL: a secret that does not exist. */
    enum antiphon_status (*http)(const struct antiphon_host *h,
                                 const struct antiphon_http_request *request,
                                 antiphon_http_done_fn *done, void *ctx);
    /* The same, and waits: done() is called on this thread before http_wait() returns. When `call`,
     * which may be NULL, is cancelled, it ends at once with a response of status ECANCELLED.
     * Threads as store_get. */
    enum antiphon_status (*http_wait)(const struct antiphon_host *h, const struct antiphon_call *call,
                                      const struct antiphon_http_request *request,
                                      antiphon_http_done_fn *done, void *ctx);

    /* For plugins whose manifest has "dynamic_tools": these are its tools from now on, in place of all it had. A tool that
     * is among them as it was stays; a conversation keeps what its model was told of, which may be called until it ends, and
     * those that are set up later have the others. Only after init() (EUNAVAILABLE while it is being loaded); may block; all is copied. On failure nothing changes and a line is in
     * the log: EDENIED not a plugin for that, EINVAL, EEXISTS two of one name, EBUSY more than 256, or too many changes
     * since the start. */
    enum antiphon_status (*set_tools)(const struct antiphon_host *h, const struct antiphon_tool *const *tools,
                                      size_t n);
};

/* ---- the plugin ------------------------------------------------------------------------------ */

struct antiphon_plugin {
    uint32_t struct_size, flags;
    const char *name, *version;
    /* JSON Schema of the configuration object; NULL: as in the manifest, else none. A property may
     * carry "x-env": ["NAME", ...], the environment variables that set it; "writeOnly": true if it
     * is a secret; and for a secret "x-host-only": true: config then holds the text {{secret:KEY}}
     * in its place, for use in http(), and the value never comes near the plugin. The host
     * validates and fills in defaults. */
    const char *config_schema;
    /* Before anything else. On failure say why in `why`. */
    enum antiphon_status (*init)(const struct antiphon_host *h, const char *config, void **state,
                                 char *why, size_t why_size);
    void (*shutdown)(void *state); /* after the last call and connection have ended; optional */
    /* Optional: after init() of a new version, before it is offered to anybody. Worker; 5 s. */
    enum antiphon_status (*self_test)(void *state, char *why, size_t why_size);
};

ANTIPHON_EXPORT const struct antiphon_plugin *antiphon_plugin_v1(void);

/* ---- the manifest ---------------------------------------------------------------------------- */

/* Once in a plugin, at file scope: what can be known without running it. The argument is one JSON
 * object, written as it is, without quotes around it and without macros in it:
 *   ANTIPHON_MANIFEST({"name": "hello", "version": "1.0.0", "tools": [...]});
 * Members:
 *   "name", "version", "description", "licence": text
 *   "tools": array of {"name", "description", "parameters": JSON Schema, "flags": ["read_only",
 *            "exclusive", "needs_confirmation", "long_running", "non_blocking",
 *            "keep_on_interrupt", "native"]}
 *   "dynamic_tools": true if configuration or a server decides which tools there are
 *   "models": array of names
 *   "hooks": array of "user_text", "input_transcript", "output_transcript", "before_tool",
 *            "after_tool"
 *   "config": JSON Schema of the configuration
 *   "permissions": object: "http": true or an array of hosts ("api.example.com",
 *            "*.example.com") for host->http(); "private": true for ANTIPHON_HTTP_ALLOW_PRIVATE;
 *            "net": true for sockets of its own; "files": array of paths it reads;
 *            "files_write": likewise; "exec": true to start programs. What is not permitted is
 *            refused.
 * The loader refuses a plugin that registers something else than its manifest says. It lies in an
 * ELF note (ANTIPHON_NOTE_*), wrapped with the ABI the plugin was built against:
 * {"abi":"1.0","manifest":{...}}.
 * ANTIPHON_MANIFEST_TEXT() takes the JSON as a string literal instead. */
#define ANTIPHON_NOTE_SECTION ".note.antiphon"
#define ANTIPHON_NOTE_OWNER "antiphon"
#define ANTIPHON_NOTE_MANIFEST 1
#define ANTIPHON_MANIFEST(...) ANTIPHON_MANIFEST_TEXT(#__VA_ARGS__)
#define ANTIPHON_MANIFEST_TEXT(json)                                                               \
    ANTIPHON_MANIFEST_NOTE("{\"abi\":\"" ANTIPHON_ABI "\",\"manifest\":" json "}")
#define ANTIPHON_MANIFEST_NOTE(content)                                                            \
    _Pragma("GCC diagnostic push")                                                                 \
    _Pragma("GCC diagnostic ignored \"-Woverlength-strings\"")                                     \
    __attribute__((section(ANTIPHON_NOTE_SECTION), used, aligned(4))) ANTIPHON_NO_REDZONE          \
    static const struct {                                                                          \
        uint32_t owner_size, text_size, type;                                                      \
        char owner[(sizeof(ANTIPHON_NOTE_OWNER) + 3u) & ~3u];                                      \
        char text[(sizeof(content) + 3u) & ~3u];                                                   \
    } antiphon_manifest = {sizeof(ANTIPHON_NOTE_OWNER), sizeof(content), ANTIPHON_NOTE_MANIFEST,   \
                           ANTIPHON_NOTE_OWNER, content};                                          \
    _Pragma("GCC diagnostic pop")                                                                  \
    struct antiphon_host
#if defined(__clang__)
#define ANTIPHON_NO_REDZONE __attribute__((no_sanitize("address")))
#else
#define ANTIPHON_NO_REDZONE
#endif

#ifdef __cplusplus
}
#endif
#endif
