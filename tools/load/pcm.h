/* pcm - frames of PCM that say when they were due, and readers that find the stamps again. Pure,
 * but for the patterns, which are made once.
 *
 * A frame begins with a stamp of STAMP_BYTES; the rest is noise out of one of PCM_PATTERNS
 * patterns, chosen by the stamp's number, so that a reader can check every byte. A server may cut
 * or join frames as it likes: the reader follows the stream of bytes, not the messages. */
#ifndef LOAD_PCM_H
#define LOAD_PCM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STAMP_BYTES   24
#define STAMP_CHARS   32 /* in base64 */
#define PCM_PATTERNS  32
#define PCM_MAX_BYTES 16384

struct stamp {
    uint32_t stream; /* of the client */
    uint64_t seq;    /* from 0 on, one more with each frame */
    uint64_t due_ns;
};

/* Frames of one length, ready but for their stamps. */
struct pcm_frames {
    size_t bytes;       /* a frame; more than STAMP_BYTES, at most PCM_MAX_BYTES, even */
    size_t chars;       /* in base64 */
    unsigned char *raw; /* owned: PCM_PATTERNS * bytes */
    char *text;         /* owned: PCM_PATTERNS * chars */
};

/* False: out of memory, or an impossible length. */
bool pcm_frames_init(struct pcm_frames *frames, size_t bytes);
void pcm_frames_deinit(struct pcm_frames *frames);
/* Writes a frame of frames->bytes, or frames->chars of base64. */
void pcm_raw(const struct pcm_frames *frames, const struct stamp *stamp, unsigned char *out);
void pcm_text(const struct pcm_frames *frames, const struct stamp *stamp, char *out);

/* A stamp as 48 hex digits (and a final zero), for typed text. */
#define STAMP_HEX 48
void stamp_hex(const struct stamp *stamp, char out[STAMP_HEX + 1]);
bool stamp_from_hex(const char *text, size_t len, struct stamp *stamp);

struct pcm_reader {
    const struct pcm_frames *frames; /* borrowed: what the sender sends */
    bool verify;                     /* look at every byte */
    size_t at;                       /* bytes of the present frame that were read */
    unsigned char stamp[STAMP_BYTES];
    uint64_t broken; /* frames without a stamp, or with a wrong byte; or text that is not base64 */
    uint64_t bytes;
};
typedef void pcm_frame_fn(void *ctx, const struct stamp *stamp);
/* fn is called when a frame's stamp is complete, so its time is that of its first bytes' message.
 */
void pcm_read_raw(struct pcm_reader *reader, const unsigned char *data, size_t len,
                  pcm_frame_fn *fn, void *ctx);
void pcm_read_text(struct pcm_reader *reader, const char *text, size_t len, pcm_frame_fn *fn,
                   void *ctx);
#endif
