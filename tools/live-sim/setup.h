/* setup - reads the first message of a session and refuses it as the real server does. Pure.
 * The reasons are those seen on the real wire; texts longer than a close frame holds are cut later.
 */
#ifndef LIVE_SIM_SETUP_H
#define LIVE_SIM_SETUP_H
#include "json.h"
#include "vad.h"

#define SETUP_MAX_FUNCTIONS 512

/* What a model can do, told from its id. */
enum setup_family {
    SETUP_CASCADE,     /* may answer TEXT */
    SETUP_NATIVE_2,    /* 2.5 native audio */
    SETUP_NATIVE_31,   /* typed text by realtimeInput only */
    SETUP_NATIVE_38,   /* and later: NON_BLOCKING tools by default, contextUpdate */
    SETUP_TRANSCRIBER, /* refuses AUDIO */
};

struct setup_function {
    char *name; /* owned */
    bool blocking;
};

struct setup {
    char *model; /* owned, as sent */
    char *id;    /* owned: its last part */
    enum setup_family family;
    bool vertex, audio;           /* backend; answers are spoken */
    bool hear_input, hear_output; /* transcriptions asked for */
    bool resumption, transparent;
    char *handle; /* owned, "" when none was given */
    bool initial_history;
    bool manual_activity, no_interruption, vad_signal;
    bool google_search;
    struct vad_config vad;
    struct setup_function *functions; /* owned */
    size_t function_count;
};

struct setup_refusal {
    uint16_t code;
    struct bytes reason; /* owned by the caller */
};

/* message is normalised (shape.h). false: *refusal is filled; setup is empty then. version is the
 * API version of the path ("v1beta"). */
bool setup_read(struct setup *setup, const cJSON *body, bool vertex, const char *version,
                struct setup_refusal *refusal);
/* Replaces the tools of setup by a list as in setup.tools. false as above. */
bool setup_read_tools(struct setup *setup, const cJSON *tools, struct setup_refusal *refusal);
/* Whether a call of the function holds the conversation until it is answered. */
bool setup_blocks(const struct setup *setup, const char *function);
void setup_free(struct setup *setup);
#endif
