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
 *   tool.invoke                     a worker; may block until the deadline; may run beside itself
 *                                   unless ANTIPHON_TOOL_EXCLUSIVE
 *   tool.cancel                     any thread; must not block
 *   model.open/send/close/wake and
 *   all antiphon_ws_handlers        the session's own loop thread; must not block
 *   antiphon_http_done_fn           the runtime's HTTP thread; must not block
 *   host functions                  any thread and never block, unless their comment says otherwise
 */
#ifndef ANTIPHON_PLUGIN_H
#define ANTIPHON_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

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
    ANTIPHON_EEXISTS = -12
};

enum antiphon_log_level { ANTIPHON_DEBUG, ANTIPHON_INFO, ANTIPHON_WARN, ANTIPHON_ERROR };

struct antiphon_host; /* one per plugin, valid from init() to shutdown() */
struct antiphon_call; /* one tool call, valid from invoke() to finish() */
struct antiphon_ws;   /* one outgoing WebSocket, valid until on_close() or ws_close() */

/* Where a model connection delivers its events: a handle, valid on any thread for ever (events for
 * a connection that is gone are dropped). */
typedef uint64_t antiphon_sink;

struct antiphon_span {
    const void *data;
    size_t len;
};

/* ---- events: the one currency between session, model, store and clients ------------------------ */

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

/* ---- models ------------------------------------------------------------------------------------- */

/* All functions on the session's loop thread. emit() delivers before it returns; from within it the
 * host may call send() of the same connection, but never close(). */
struct antiphon_model {
    uint32_t struct_size, flags;
    const char *name; /* what an agent's `live.provider` and the profiles name */
    /* Key of the model profiles ("gemini_api", "vertex"): which backend the configuration selects. */
    const char *(*backend)(void *state);
    /* Starts connecting. `run` is a JSON object, see docs/plugins.md "The run": model, modality,
     * instruction, tools, generation, live, resumption, history, profile. *conn is yours until close().
     * Later failures arrive as one CLOSED event. */
    enum antiphon_status (*open)(void *state, antiphon_sink sink, const char *run, size_t run_len,
                                 void **conn, char *why, size_t why_size);
    /* ANTIPHON_EBUSY: the queue for text and control is full and nothing was taken; audio is never
     * refused, its oldest queued frame is dropped instead. */
    enum antiphon_status (*send)(void *conn, const struct antiphon_event *event);
    void (*close)(void *conn); /* closes the socket at once; nothing may be emitted afterwards */
    /* Optional; answer to host->wake(). */
    void (*wake)(void *conn);
};

/* ---- outgoing WebSockets (for models) ------------------------------------------------------------ */

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

/* ---- outgoing HTTP -------------------------------------------------------------------------------- */

struct antiphon_http_request {
    uint32_t struct_size;
    uint32_t timeout_ms; /* whole transfer; 0: 10 s */
    uint32_t max_body;   /* bytes; 0: 1 MiB */
    uint32_t flags;      /* ANTIPHON_HTTP_* */
    const char *method, *url;
    const char *const *headers; /* name, value, ..., NULL */
    const void *body;
    size_t body_len;
};
#define ANTIPHON_HTTP_ALLOW_PRIVATE (1u << 0) /* may reach loopback, private and link-local addresses */

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

/* ---- tools ---------------------------------------------------------------------------------------- */

struct antiphon_call {
    uint32_t struct_size, args_len;
    const char *tool, *call_id, *session_id, *user_id, *agent;
    const char *args;     /* JSON object, already valid against the tool's schema */
    uint64_t deadline_ms; /* on the host->now_ms() clock */
};

#define ANTIPHON_TOOL_READ_ONLY (1u << 0) /* may be repeated; needs no confirmation */
#define ANTIPHON_TOOL_EXCLUSIVE (1u << 1) /* never two calls at once */

struct antiphon_tool {
    uint32_t struct_size;
    uint32_t flags;
    uint32_t timeout_ms; /* 0: the host's default */
    uint32_t reserved;
    const char *name, *description;
    const char *params_schema; /* JSON Schema of an object; NULL: no arguments */
    /* A native tool runs inside the model: no invoke(), but the name of the feature that a model
     * profile must allow and the JSON object that goes into the setup's tools. */
    const char *native_feature, *native_fragment;
    /* Return ANTIPHON_OK and end the call with exactly one finish(), before or after returning, from
     * any thread; or return an error and do not call finish(). */
    enum antiphon_status (*invoke)(void *state, struct antiphon_call *call);
    /* Optional: nobody wants this result any more; finish() is still due and will be discarded. */
    void (*cancel)(void *state, struct antiphon_call *call);
};

/* ---- the host ------------------------------------------------------------------------------------- */

struct antiphon_host {
    uint32_t struct_size, reserved;
    void *impl;
    void (*log)(const struct antiphon_host *h, enum antiphon_log_level level, const char *fmt, ...)
        ANTIPHON_PRINTF(3, 4);
    uint64_t (*now_ms)(const struct antiphon_host *h); /* monotonic */

    /* init() only; copied; all dropped again by the host if init() fails. */
    enum antiphon_status (*add_tool)(const struct antiphon_host *h, const struct antiphon_tool *tool);
    enum antiphon_status (*add_model)(const struct antiphon_host *h, const struct antiphon_model *model);

    /* text: a JSON value if status is ANTIPHON_OK, else a message for the model. */
    void (*finish)(const struct antiphon_host *h, struct antiphon_call *call,
                   enum antiphon_status status, const char *text, size_t len);
    bool (*cancelled)(const struct antiphon_host *h, const struct antiphon_call *call);
    /* Shown to the user while the call runs; text is UTF-8, at most 1 KiB. */
    void (*progress)(const struct antiphon_host *h, struct antiphon_call *call, const char *text,
                     size_t len);

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
    /* done() is called exactly once if this returned OK. EBUSY: 1,000 requests are waiting. */
    enum antiphon_status (*http)(const struct antiphon_host *h,
                                 const struct antiphon_http_request *request,
                                 antiphon_http_done_fn *done, void *ctx);
};

/* ---- the plugin ----------------------------------------------------------------------------------- */

struct antiphon_plugin {
    uint32_t struct_size, flags;
    const char *name, *version;
    /* JSON Schema of the configuration object, or NULL: none. A property may carry
     * "x-env": ["NAME", ...], the environment variables that set it, and "writeOnly": true if it is
     * a secret. The host validates and fills in defaults. */
    const char *config_schema;
    /* Before anything else. On failure say why in `why`. */
    enum antiphon_status (*init)(const struct antiphon_host *h, const char *config, void **state,
                                 char *why, size_t why_size);
    void (*shutdown)(void *state); /* after the last call and connection have ended; optional */
};

ANTIPHON_EXPORT const struct antiphon_plugin *antiphon_plugin_v1(void);

#ifdef __cplusplus
}
#endif
#endif
