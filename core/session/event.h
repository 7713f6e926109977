/* event - the events that exist only between session and clients, beside those of antiphon/plugin.h, and the JSON that
 * is stored. Pure. */
#ifndef SESSION_EVENT_H
#define SESSION_EVENT_H
#include "antiphon/plugin.h"
#include "base/buf.h"
#include "base/status.h"

/* Values of antiphon_event.type from 256 on; never cross the plugin boundary. */
enum event_type {
    EVENT_HELLO = 256, /* data: JSON object, see docs/protocol.md "hello"; first to a client that asks for it */
    EVENT_HISTORY,     /* data: JSON array of {"role","text",("time"),("interrupted"),("grounding")}: what was said earlier */
    EVENT_ERROR,       /* name: code, data: message, detail: hint or NULL; flag EVENT_FLAG_RETRYABLE;
                          EVENT_FLAG_ENDS_TALK: the conversation cannot go on until the next text */
    EVENT_STATE,       /* name: "connecting", "live", "reconnecting", "offline", "not_durable" or "durable" */
    EVENT_TAKEN_OVER,  /* another client of this session is active now */
    EVENT_ACTIVE,      /* this client is the active one (again) */
    EVENT_TOOL,        /* id, name; detail: "asking", "running", "progress", "done", "failed", "cancelled", "undone"; data: progress text or NULL */
    EVENT_USER_TEXT,   /* data: text that the user typed in another client of the session */
    EVENT_PLUGIN,      /* from a tool, for the page: id of its call, name, detail: the plugin, data: a JSON value */
    EVENT_CONFIRM      /* data: JSON object, see docs/protocol.md "confirm": may this tool run? */
};
#define EVENT_FLAG_RETRYABLE (1u << 16)
#define EVENT_FLAG_ENDS_TALK (1u << 17)
#define EVENT_FLAG_NOT_SAVED (1u << 18) /* TURN_COMPLETE: the turn could not be made durable */

#define EVENT_INIT(t) ((struct antiphon_event){.struct_size = sizeof(struct antiphon_event), .type = (uint32_t)(t)})

/* What one stored event holds; NULL or empty members are left out of the JSON. */
struct event_stored {
    const char *id, *invocation_id, *author; /* author "user" or the agent's name */
    double timestamp;
    const char *role;                        /* of content: "user" or "model" */
    const char *text;                        /* content: one text part */
    const char *parts;                       /* content: a JSON array of parts in snake_case, instead of text */
    const char *input_transcript, *output_transcript; /* finished */
    const char *usage, *grounding;           /* JSON objects in the API's camelCase; written in snake_case */
    const char *state_delta;                 /* of actions: JSON object without temp: members */
    const char *turn_complete_reason, *error_code, *error_message;
    bool turn_complete, interrupted;
    bool has_partial; bool partial;          /* "partial": false is written for merged text and transcripts */
};
/* event_data as ADK's SqliteSessionService writes it: compact, snake_case, field order of ADK's Event, with the
 * four empty maps of actions and node_info; appended to out. Names inside usage and grounding become snake_case
 * at every depth, values and numbers stay as they are written. EINVAL or ETOOBIG if usage, grounding or parts is not
 * JSON of at most 16 MiB, 60 levels and 65,536 values; out is then as it was. */
enum antiphon_status event_stored_print(const struct event_stored *event, struct buf *out) MUST_CHECK;
#endif
