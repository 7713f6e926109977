#include "turn.h"

#include "voice.h"
#include <stdlib.h>
#include <string.h>

#define FAST_GAP_MS 5
#define TEXT_GAP_MS 40 /* between words at real pace */

void turn_clear(struct turn *turn)
{
    for (size_t i = 0; i < turn->count; i++) {
        cJSON_Delete(turn->steps[i].message);
        free(turn->steps[i].text);
    }
    free(turn->steps);
    free(turn->said);
    *turn = (struct turn){0};
}

void turn_add(struct turn *turn, struct turn_step step)
{
    if (turn->count == turn->cap) {
        size_t cap = turn->cap ? turn->cap * 2 : 32;
        struct turn_step *steps = mem_new(cap * sizeof *steps);
        if (turn->count)
            memcpy(steps, turn->steps, turn->count * sizeof *steps);
        free(turn->steps);
        turn->steps = steps;
        turn->cap = cap;
    }
    turn->steps[turn->count++] = step;
    turn->spent_ms += step.delay_ms;
}

void turn_send(struct turn *turn, uint32_t delay_ms, cJSON *message)
{
    turn_add(turn, (struct turn_step){.delay_ms = delay_ms, .message = message});
}

struct turn_step *turn_peek(struct turn *turn)
{
    return turn->next < turn->count ? &turn->steps[turn->next] : NULL;
}

static void remember(struct turn *turn, const char *text)
{
    struct bytes said = {0};
    if (turn->said)
        bytes_text(&said, turn->said);
    bytes_text(&said, text);
    free(turn->said);
    turn->said = bytes_take(&said);
}

/* At real pace audio goes out twice as fast as it plays, as the real server's does. */
static uint32_t gap(struct turn *turn, struct turn_style style, uint32_t every_ms)
{
    if (turn->words == 0)
        return 0;
    if (every_ms || style.gap_ms)
        return every_ms > style.gap_ms ? every_ms : style.gap_ms;
    if (!style.real_pace)
        return FAST_GAP_MS;
    uint32_t ahead = turn->audio_ms / 2;
    return !style.audio ? TEXT_GAP_MS : ahead > turn->spent_ms ? ahead - turn->spent_ms : 0;
}

static cJSON *spoken(struct turn *turn, struct turn_style style, const char *word, const char *role)
{
    struct bytes pcm = {0};
    uint32_t ms = style.real_pace ? voice_length(word) : VOICE_WORD_MS;
    voice_word(&pcm, word, turn->words, ms);
    cJSON *message = message_audio(bytes_str(&pcm), pcm.len,
                                   style.bare_mime ? "audio/pcm" : "audio/pcm;rate=24000", role);
    turn->audio_ms += ms;
    bytes_free(&pcm);
    return message;
}

static void say_word(struct turn *turn, struct turn_style style, const char *word,
                     uint32_t every_ms)
{
    uint32_t delay = gap(turn, style, every_ms);
    if (!style.audio) {
        turn_send(turn, delay, message_text(word, "model", false));
    } else {
        cJSON *audio = spoken(turn, style, word, "model");
        cJSON *transcript =
            style.transcribe ? message_transcription("outputTranscription", word, false) : NULL;
        if (transcript && style.bundle) {
            message_merge(audio, transcript);
            transcript = NULL;
        }
        turn_send(turn, delay, audio);
        if (transcript)
            turn_send(turn, 0, transcript);
    }
    turn->words++;
}

/* Bytes of the white space at text (Unicode's, as scripts other than Latin use it), 0 when none. */
static size_t space_length(const char *text)
{
    static const char *const wide[] = {"\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\xA8",
                                       "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F",
                                       "\xE3\x80\x80", "\xEF\xBB\xBF"};
    if (*text && strchr(" \t\r\n\v\f", *text))
        return 1;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (!strncmp(text, wide[i], strlen(wide[i])))
            return strlen(wide[i]);
    return 0;
}

void turn_say(struct turn *turn, struct turn_style style, const char *text, uint32_t every_ms)
{
    remember(turn, text);
    while (*text) {
        size_t len = 0;
        while (text[len] && !space_length(text + len))
            len++;
        len += space_length(text + len);
        struct bytes word = {0};
        bytes_add(&word, text, len);
        say_word(turn, style, bytes_str(&word), every_ms);
        bytes_free(&word);
        text += len;
    }
}

void turn_chunk(struct turn *turn, struct turn_style style, const char *word, uint32_t every_ms)
{
    uint32_t delay = gap(turn, style, every_ms);
    turn_send(turn, delay,
              style.audio ? spoken(turn, style, word, NULL) : message_text(word, NULL, false));
    turn->words++;
}

void turn_finish(struct turn *turn, struct turn_style style)
{
    const unsigned flags = TURN_REMEMBER | TURN_USAGE | TURN_UPDATE | TURN_OVER;
    uint32_t gap_ms = turn->words ? FAST_GAP_MS : 0, rest = 0;
    cJSON *over = message_flag("turnComplete"), *generated = message_flag("generationComplete");
    if (style.real_pace && turn->audio_ms > turn->spent_ms)
        rest = turn->audio_ms - turn->spent_ms;
    if (style.bundle)
        message_merge(over, generated);
    else
        turn_send(turn, gap_ms, generated);
    turn_add(turn, (struct turn_step){.delay_ms = rest, .flags = flags, .message = over});
}
