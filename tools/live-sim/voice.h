/* voice - what the stand-in sounds like: one short soft tone a word, walking over a pentatonic
 * scale. Pure; 16-bit little-endian mono PCM at 24 kHz, as the Live API sends it. */
#ifndef LIVE_SIM_VOICE_H
#define LIVE_SIM_VOICE_H
#include "bytes.h"

#define VOICE_RATE    24000
#define VOICE_WORD_MS 200 /* of a word at test pace: 9600 bytes */

/* How long word sounds at speaking pace, ms. */
uint32_t voice_length(const char *word);
/* Appends ms of sound for the word at position index of an answer. */
void voice_word(struct bytes *pcm, const char *word, uint32_t index, uint32_t ms);
#endif
