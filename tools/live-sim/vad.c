#include "vad.h"

#define WINDOW_MS 10

void vad_init(struct vad *vad, struct vad_config config)
{
    *vad = (struct vad){.config = config, .spare = -1};
}

static void end_speech(struct vad *vad)
{
    vad->heard_ms = vad->voice_ms - vad->quiet_ms;
    vad->speaking = false;
    vad->voice_ms = 0;
    vad->quiet_ms = 0;
}

static enum vad_event close_window(struct vad *vad)
{
    uint64_t limit = vad->config.threshold;
    bool loud = vad->square > limit * limit * vad->filled;
    vad->square = 0;
    vad->filled = 0;
    if (!vad->speaking) {
        vad->voice_ms = loud ? vad->voice_ms + WINDOW_MS : 0;
        if (vad->voice_ms == 0 || vad->voice_ms < vad->config.start_ms)
            return VAD_NONE;
        vad->speaking = true;
        vad->quiet_ms = 0;
        return VAD_START;
    }
    vad->voice_ms += WINDOW_MS;
    vad->quiet_ms = loud ? 0 : vad->quiet_ms + WINDOW_MS;
    if (vad->quiet_ms < vad->config.silence_ms || loud)
        return VAD_NONE;
    end_speech(vad);
    return VAD_END;
}

size_t vad_feed(struct vad *vad, uint32_t rate, const char *pcm, size_t len, enum vad_event *event)
{
    size_t used = 0;
    *event = VAD_NONE;
    if (vad->rate != rate) {
        vad->rate = rate;
        vad->square = 0;
        vad->filled = 0;
        vad->spare = -1;
    }
    while (used < len) {
        int byte = (unsigned char)pcm[used++];
        if (vad->spare < 0) {
            vad->spare = byte;
            continue;
        }
        int32_t sample = (int16_t)(byte << 8 | vad->spare);
        vad->spare = -1;
        vad->square += (uint64_t)(sample * (int64_t)sample);
        if (++vad->filled < rate * WINDOW_MS / 1000)
            continue;
        *event = close_window(vad);
        if (*event != VAD_NONE)
            break;
    }
    return used;
}

bool vad_flush(struct vad *vad)
{
    bool speaking = vad->speaking;
    if (speaking)
        end_speech(vad);
    vad->voice_ms = 0;
    vad->square = 0;
    vad->filled = 0;
    vad->spare = -1;
    return speaking;
}
