/* vad - voice activity in 16-bit little-endian mono PCM, by energy. Pure: time is counted in
 * samples, never by a clock, so a burst of audio gives the same result as the same audio in real
 * time. */
#ifndef LIVE_SIM_VAD_H
#define LIVE_SIM_VAD_H
#include "bytes.h"

struct vad_config {
    uint32_t threshold;  /* RMS of a 10 ms window that counts as voice */
    uint32_t start_ms;   /* that much voice begins speech */
    uint32_t silence_ms; /* that much silence ends it */
};

enum vad_event { VAD_NONE, VAD_START, VAD_END };

struct vad {
    struct vad_config config;
    uint32_t rate; /* Hz; a change restarts the current window */
    bool speaking;
    uint32_t voice_ms; /* voiced run before speech begins; since its beginning afterwards */
    uint32_t quiet_ms; /* silent run at the end */
    uint64_t square;   /* of the window being filled */
    uint32_t filled;   /* its samples */
    int spare;         /* odd byte of the last call, -1 when there is none */
    uint32_t heard_ms; /* length of the last finished speech, trailing silence excluded */
};

void vad_init(struct vad *vad, struct vad_config config);
/* Consumes bytes up to and including the window that makes an event; returns how many. Call again
 * with the rest. */
size_t vad_feed(struct vad *vad, uint32_t rate, const char *pcm, size_t len, enum vad_event *event);
/* The stream pauses: ends a speech in progress. true when there was one. */
bool vad_flush(struct vad *vad);
#endif
