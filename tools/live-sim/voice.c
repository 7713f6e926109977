#include "voice.h"

#include <math.h>
#include <string.h>

#define TURN 6.283185307179586

uint32_t voice_length(const char *word)
{
    size_t letters = strlen(word);
    uint32_t ms = 150 + 30 * (uint32_t)(letters > 12 ? 12 : letters);
    return letters && strchr(".,!?:;", word[letters - 1]) ? ms + 120 : ms;
}

/* Pitch follows the letters, so the same sentence always has the same melody. */
static double word_pitch(const char *word, uint32_t index)
{
    static const double scale[] = {261.63, 293.66, 329.63, 392.00, 440.00, 523.25};
    uint32_t hash = 2166136261U;
    for (const unsigned char *c = (const unsigned char *)word; *c > ' '; c++)
        hash = (hash ^ *c) * 16777619U;
    uint32_t step = (hash >> 8) % 3 + (index % 2 ? 1 : 0) + (index % 3);
    return scale[step % 6];
}

void voice_word(struct bytes *pcm, const char *word, uint32_t index, uint32_t ms)
{
    uint32_t samples = VOICE_RATE / 1000 * ms;
    double pitch = word_pitch(word, index), length = samples;
    for (uint32_t i = 0; i < samples; i++) {
        double t = (double)i / VOICE_RATE, at = i / length;
        double attack = fmin(1.0, t / 0.012), release = fmin(1.0, (1.0 - at) / 0.45);
        double level = attack * release * release * exp(-1.6 * at);
        double wave = sin(TURN * pitch * t) + 0.30 * sin(TURN * 2 * pitch * t) * exp(-4 * at) +
                      0.12 * sin(TURN * 3 * pitch * t) * exp(-8 * at);
        int16_t sample = (int16_t)lrint(7000 * level * wave);
        char two[2] = {(char)(sample & 0xFF), (char)(sample >> 8 & 0xFF)};
        bytes_add(pcm, two, 2);
    }
}
