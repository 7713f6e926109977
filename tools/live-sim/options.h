/* options - the command line, and how frames are dressed. Values live as long as the process. */
#ifndef LIVE_SIM_OPTIONS_H
#define LIVE_SIM_OPTIONS_H
#include "json.h"

#define OPTIONS_MAX_SCENARIOS 16

/* How server messages go out; a scenario may change each of these. */
struct wire_style {
    bool text_opcode; /* TEXT messages instead of BINARY */
    bool compact, ascii;
    bool bundle;       /* content, transcription and flags in one message, as 3.x models do */
    bool extra_keys;   /* keys no client can know, in every message */
    bool bare_mime;    /* audio/pcm without a rate */
    uint32_t fragment; /* payload bytes of a frame, 0: whole messages */
    uint32_t pong_delay_ms;
};

struct options {
    const char *host;
    uint16_t port;
    const char *tls_cert, *tls_key; /* NULL: plain text */
    const char *key;                /* NULL: every credential is good */
    const char *log;                /* NULL: none */
    const char *scenarios[OPTIONS_MAX_SCENARIOS];
    size_t scenario_count;
    uint32_t token_life_s;
    bool real_pace, strict, demo, stable_ids, exit_with_parent;
    struct wire_style style;
};

enum options_result { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_WRONG };

/* Reads argv; prints help or the version (OPTIONS_DONE) or what is wrong with it (OPTIONS_WRONG).
 */
enum options_result options_read(struct options *options, int argc, char **argv);
#endif
