/* turn - an answer as a list of timed steps. The pure half: building and reading the list. */
#ifndef LIVE_SIM_TURN_H
#define LIVE_SIM_TURN_H
#include "message.h"

enum turn_kind {
    TURN_SEND,   /* message */
    TURN_CALLS,  /* message is a toolCall: its calls are open from now on */
    TURN_CANCEL, /* the calls open now are cancelled number ms later, answered or not */
    TURN_CUT,    /* the connection ends number seconds later */
    TURN_CLOSE,  /* number, text */
    TURN_RESET,
    TURN_DIE,
};

enum turn_flag {
    TURN_USAGE = 1,    /* usage metadata rides with the message */
    TURN_REMEMBER = 2, /* what was said goes into the history first */
    TURN_UPDATE = 4,   /* a resumption update follows */
    TURN_OVER = 8,     /* the message ends the turn */
};

struct turn_step {
    enum turn_kind kind;
    uint32_t delay_ms; /* after the step before */
    unsigned flags;
    uint32_t number;
    cJSON *message; /* owned */
    char *text;     /* owned */
};

struct turn_style {
    bool audio;      /* speak; else text parts */
    bool transcribe; /* with outputTranscription */
    bool real_pace, bundle, bare_mime;
    uint32_t gap_ms; /* at least that long between words; 0: as the pace says */
};

struct turn {
    struct turn_step *steps; /* owned */
    size_t count, cap, next;
    char *said;                         /* owned: the whole answer, for the history */
    uint32_t words, audio_ms, spent_ms; /* so far, while building */
};

void turn_clear(struct turn *turn); /* frees everything, ready for the next answer */
void turn_add(struct turn *turn, struct turn_step step); /* takes message and text */
void turn_send(struct turn *turn, uint32_t delay_ms, cJSON *message);
/* The next step, NULL at the end. It stays the turn's. */
struct turn_step *turn_peek(struct turn *turn);

/* text word by word, every_ms apart (0: as the pace says). Appends to what was said. */
void turn_say(struct turn *turn, struct turn_style style, const char *text, uint32_t every_ms);
/* One more chunk of a long answer, without role or transcription. */
void turn_chunk(struct turn *turn, struct turn_style style, const char *word, uint32_t every_ms);
/* generationComplete and turnComplete, the latter when playback would be over. */
void turn_finish(struct turn *turn, struct turn_style style);
#endif
