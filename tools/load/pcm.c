#include "pcm.h"

#include <stdlib.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const unsigned char magic[4] = {'A', 'P', 'L', 1};

/* ---- base64
 * ---------------------------------------------------------------------------------------- */

static void encode(const unsigned char *in, size_t len, char *out)
{
    for (; len; in += 3, out += 4) {
        unsigned bits =
            (unsigned)in[0] << 16 | (len > 1 ? (unsigned)in[1] << 8 : 0) | (len > 2 ? in[2] : 0u);
        out[0] = alphabet[bits >> 18];
        out[1] = alphabet[bits >> 12 & 63];
        out[2] = len > 1 ? alphabet[bits >> 6 & 63] : '=';
        out[3] = len > 2 ? alphabet[bits & 63] : '=';
        len -= len > 2 ? 3 : len;
    }
}

static unsigned value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : 64;
}

/* Bytes that text stands for, without looking at it. */
static size_t decoded_len(const char *text, size_t len)
{
    while (len && text[len - 1] == '=')
        len--;
    return len / 4 * 3 + (len % 4 ? len % 4 - 1 : 0);
}

/* The bytes from..from+n of what text stands for; false: not base64 there. */
static bool decode_some(const char *text, size_t from, size_t n, unsigned char *out)
{
    for (size_t i = from; i < from + n; i++) {
        const char *four = text + i / 3 * 4;
        unsigned a = value_of(four[i % 3]), b = value_of(four[i % 3 + 1]);
        if (a > 63 || b > 63)
            return false;
        *out++ = (unsigned char)(i % 3 == 0   ? a << 2 | b >> 4
                                 : i % 3 == 1 ? a << 4 | b >> 2
                                              : a << 6 | b);
    }
    return true;
}

/* ---- frames
 * ------------------------------------------------------------------------------------------ */

static uint64_t noise(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

bool pcm_frames_init(struct pcm_frames *frames, size_t bytes)
{
    uint64_t state = 0x9E3779B97F4A7C15u;

    memset(frames, 0, sizeof(*frames));
    if (bytes <= STAMP_BYTES || bytes > PCM_MAX_BYTES || bytes % 2)
        return false;
    frames->bytes = bytes;
    frames->chars = (bytes + 2) / 3 * 4;
    frames->raw = malloc(PCM_PATTERNS * bytes);
    frames->text = malloc(PCM_PATTERNS * frames->chars);
    if (!frames->raw || !frames->text) {
        pcm_frames_deinit(frames);
        return false;
    }
    for (size_t i = 0; i < PCM_PATTERNS * bytes; i++)
        frames->raw[i] = (unsigned char)noise(&state);
    for (size_t i = 0; i < PCM_PATTERNS; i++)
        encode(frames->raw + i * bytes, bytes, frames->text + i * frames->chars);
    return true;
}

void pcm_frames_deinit(struct pcm_frames *frames)
{
    free(frames->raw);
    free(frames->text);
    memset(frames, 0, sizeof(*frames));
}

static void put(unsigned char *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        out[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get(const unsigned char *in, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = bytes; i > 0; i--)
        value = value << 8 | in[i - 1];
    return value;
}

static void stamp_print(const struct stamp *stamp, unsigned char out[STAMP_BYTES])
{
    memcpy(out, magic, 4);
    put(out + 4, stamp->stream, 4);
    put(out + 8, stamp->seq, 8);
    put(out + 16, stamp->due_ns, 8);
}

static bool stamp_parse(const unsigned char in[STAMP_BYTES], struct stamp *stamp)
{
    if (memcmp(in, magic, 4) != 0)
        return false;
    *stamp = (struct stamp){(uint32_t)get(in + 4, 4), get(in + 8, 8), get(in + 16, 8)};
    return true;
}

void pcm_raw(const struct pcm_frames *frames, const struct stamp *stamp, unsigned char *out)
{
    memcpy(out, frames->raw + stamp->seq % PCM_PATTERNS * frames->bytes, frames->bytes);
    stamp_print(stamp, out);
}

void pcm_text(const struct pcm_frames *frames, const struct stamp *stamp, char *out)
{
    unsigned char raw[STAMP_BYTES];

    stamp_print(stamp, raw);
    memcpy(out, frames->text + stamp->seq % PCM_PATTERNS * frames->chars, frames->chars);
    encode(raw, STAMP_BYTES, out);
}

void stamp_hex(const struct stamp *stamp, char out[STAMP_HEX + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char raw[STAMP_BYTES];

    stamp_print(stamp, raw);
    for (size_t i = 0; i < STAMP_BYTES; i++) {
        out[2 * i] = digits[raw[i] >> 4];
        out[2 * i + 1] = digits[raw[i] & 15];
    }
    out[STAMP_HEX] = '\0';
}

static unsigned hex(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

bool stamp_from_hex(const char *text, size_t len, struct stamp *stamp)
{
    static const char begin[] = "41504c01"; /* the magic */
    const char *at = memmem(text, len, begin, sizeof(begin) - 1);
    unsigned char raw[STAMP_BYTES];

    if (!at || (size_t)(text + len - at) < STAMP_HEX)
        return false;
    for (size_t i = 0; i < STAMP_BYTES; i++) {
        unsigned high = hex(at[2 * i]), low = hex(at[2 * i + 1]);
        if (high > 15 || low > 15)
            return false;
        raw[i] = (unsigned char)(high << 4 | low);
    }
    return stamp_parse(raw, stamp);
}

/* ---- reading
 * ----------------------------------------------------------------------------------------- */

/* The next n bytes of the present frame are data; NULL: nobody wants to look at them. */
static void step(struct pcm_reader *reader, const unsigned char *data, size_t n, pcm_frame_fn *fn,
                 void *ctx)
{
    const struct pcm_frames *frames = reader->frames;
    struct stamp stamp;

    if (reader->at < STAMP_BYTES) {
        memcpy(reader->stamp + reader->at, data, n);
        reader->at += n;
        if (reader->at < STAMP_BYTES)
            return;
        if (stamp_parse(reader->stamp, &stamp))
            fn(ctx, &stamp);
        else
            reader->broken++;
        return;
    }
    if (data && stamp_parse(reader->stamp, &stamp) &&
        memcmp(frames->raw + stamp.seq % PCM_PATTERNS * frames->bytes + reader->at, data, n) != 0)
        reader->broken++;
    reader->at += n;
    if (reader->at == frames->bytes)
        reader->at = 0;
}

/* How many of the next len bytes belong together: to the stamp, or to what comes behind it. */
static size_t stretch(const struct pcm_reader *reader, size_t len)
{
    size_t end = reader->at < STAMP_BYTES ? STAMP_BYTES : reader->frames->bytes;

    return end - reader->at < len ? end - reader->at : len;
}

void pcm_read_raw(struct pcm_reader *reader, const unsigned char *data, size_t len,
                  pcm_frame_fn *fn, void *ctx)
{
    reader->bytes += len;
    while (len) {
        size_t n = stretch(reader, len);
        step(reader, reader->verify || reader->at < STAMP_BYTES ? data : NULL, n, fn, ctx);
        data += n;
        len -= n;
    }
}

void pcm_read_text(struct pcm_reader *reader, const char *text, size_t len, pcm_frame_fn *fn,
                   void *ctx)
{
    unsigned char raw[PCM_MAX_BYTES];
    size_t from = 0, total = decoded_len(text, len);

    reader->bytes += total;
    while (from < total) {
        size_t n = stretch(reader, total - from);
        bool look = reader->verify || reader->at < STAMP_BYTES;
        if (look && !decode_some(text, from, n, raw)) {
            reader->broken++;
            reader->at = 0;
            return;
        }
        step(reader, look ? raw : NULL, n, fn, ctx);
        from += n;
    }
}
