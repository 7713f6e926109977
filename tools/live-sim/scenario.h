/* scenario - what a test scripts: rules of the form "on this, do that", read from YAML.
 *
 * The format is described in README.md. Loaded once before the loop starts; the rules are read-only
 * afterwards but for their counters. Input is checked before the YAML library sees it: at most 1
 * MiB, valid UTF-8, no directives. */
#ifndef LIVE_SIM_SCENARIO_H
#define LIVE_SIM_SCENARIO_H
#include "options.h"
#include <regex.h>

#define SCENARIO_MAX_BYTES   (1U << 20)
#define SCENARIO_MAX_RULES   256
#define SCENARIO_MAX_ACTIONS 4096 /* of one rule */

enum scenario_trigger {
    SCENARIO_TLS,           /* TCP accepted, TLS not begun */
    SCENARIO_UPGRADE,       /* the HTTP upgrade request is read, not answered */
    SCENARIO_CONNECT,       /* 101 is sent; nothing is replaced */
    SCENARIO_SETUP,         /* a good setup arrived */
    SCENARIO_TEXT,          /* the user typed (or a transcript was scripted) */
    SCENARIO_SPEECH_START,  /* voice began; nothing is replaced */
    SCENARIO_SPEECH,        /* voice ended */
    SCENARIO_TOOL_RESPONSE, /* a tool response arrived */
    SCENARIO_TURN_COMPLETE, /* turnComplete was sent; nothing is replaced */
    SCENARIO_TRIGGERS
};

enum scenario_verb {
    DO_SEND,   /* message */
    DO_RAW,    /* text, sent as it is */
    DO_HALF,   /* message: only the first half of its frame */
    DO_BIG,    /* number: a message with that many bytes of base64 */
    DO_WAIT,   /* number: ms */
    DO_SAY,    /* text: an answer of the model */
    DO_WORD,   /* text: as if the user had typed it */
    DO_CLOSE,  /* number, text */
    DO_STATUS, /* number, text: HTTP answer instead of 101 */
    DO_RESET,
    DO_DIE,
    DO_SILENT,  /* nothing is answered any more, the socket stays open */
    DO_HANG,    /* the same, before the upgrade */
    DO_DEFAULT, /* what would have happened without the rule */
};

struct scenario_action {
    enum scenario_verb verb;
    cJSON *message; /* owned, DO_SEND and DO_HALF */
    char *text;     /* owned or NULL */
    uint32_t number;
};

struct scenario_rule {
    enum scenario_trigger on;
    char *match; /* owned, NULL: any */
    regex_t pattern;
    uint32_t connection; /* 0: any */
    uint32_t times;      /* 0: always; else how often it still applies */
    bool spent;
    struct scenario_action *actions; /* owned */
    size_t action_count;
};

struct scenario {
    struct scenario_rule *rules; /* owned, SCENARIO_MAX_RULES */
    size_t rule_count;
    char **transcripts; /* owned: what the next speeches are heard as */
    size_t transcript_count, transcript_next;
    bool refuse_handles, refuse_early_input;
    uint32_t setup_delay_ms; /* UINT32_MAX: as the pace says */
    uint32_t word_gap_ms;    /* 0: as the pace says */
};

void scenario_init(struct scenario *scenario);
/* Adds the rules of a file, and its options to *style. false: one line per error, each with
 * file:line, was appended to errors. */
bool scenario_load(struct scenario *scenario, const char *path, struct wire_style *style,
                   struct bytes *errors);
/* The same for text that is already in memory; name stands for the file in errors. */
bool scenario_read(struct scenario *scenario, const char *name, const char *text, size_t len,
                   struct wire_style *style, struct bytes *errors);
/* The first rule for the trigger that still applies, its counter already moved on; NULL: none. */
const struct scenario_rule *scenario_find(struct scenario *scenario, enum scenario_trigger on,
                                          uint32_t connection, const char *text);
/* The next scripted transcript, or NULL. */
const char *scenario_transcript(struct scenario *scenario);
void scenario_free(struct scenario *scenario);
#endif
