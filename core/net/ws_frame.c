#include "net/ws_frame.h"

#include <string.h>

#include "base/banned.h"

#define KEEP_BYTES                                                                                 \
    (256u * 1024) /* assembly memory that is kept for the next fragmented message                  \
                   */

size_t ws_frame_header(enum ws_frame_opcode opcode, uint64_t len, const unsigned char mask[4],
                       unsigned char out[WS_FRAME_MAX_HEADER])
{
    size_t n = 2, length_bytes = len < 126 ? 0 : len < 65536 ? 2 : 8;

    out[0] = (unsigned char)(0x80u | opcode);
    out[1] = (unsigned char)(0x80u | (!length_bytes ? len : length_bytes == 2 ? 126 : 127));
    for (size_t i = length_bytes; i > 0; i--)
        out[n++] = (unsigned char)(len >> (8 * (i - 1)));
    memcpy(out + n, mask, 4);
    return n + 4;
}

#define WIDE 16 /* bytes at a time: what every machine with vectors has */

void ws_frame_mask(unsigned char *dst, const unsigned char *src, size_t len,
                   const unsigned char mask[4], size_t offset)
{
    uint64_t wide __attribute__((vector_size(WIDE))), word __attribute__((vector_size(WIDE)));
    unsigned char key[WIDE];
    size_t i = 0;

    for (unsigned j = 0; j < WIDE; j++)
        key[j] = mask[(offset + j) & 3];
    memcpy(&wide, key, WIDE);
    for (; i + WIDE <= len; i += WIDE) {
        memcpy(&word, src + i, WIDE);
        word ^= wide;
        memcpy(dst + i, &word, WIDE);
    }
    for (; i < len; i++)
        dst[i] = src[i] ^ key[i & (WIDE - 1)];
}

void ws_frame_reader_init(struct ws_frame_reader *reader, size_t max_message)
{
    memset(reader, 0, sizeof(*reader));
    buf_init(&reader->message, max_message);
}

void ws_frame_reader_deinit(struct ws_frame_reader *reader)
{
    buf_deinit(&reader->message);
}

static struct ws_frame_item bad(struct ws_frame_reader *reader, enum antiphon_status status,
                                const char *why)
{
    reader->failed = status;
    return (struct ws_frame_item){.kind = WS_FRAME_BAD, .status = status, .why = why};
}

static size_t header_need(const struct ws_frame_reader *reader)
{
    unsigned length = reader->header[1] & 0x7fu;

    if (reader->have < 2)
        return 2;
    return length < 126 ? 2 : length == 126 ? 4 : 10;
}

/* What the first two bytes already tell; NULL, or what is wrong. */
static const char *check_start(const struct ws_frame_reader *reader)
{
    unsigned first = reader->header[0], opcode = first & 0x0fu;
    bool control = opcode & 8u;

    if (first & 0x70u)
        return "reserved bits are set";
    if (reader->header[1] & 0x80u)
        return "a frame of the server is masked";
    if (opcode > WS_FRAME_PONG || (opcode > WS_FRAME_BINARY && !control))
        return "unknown opcode";
    if (control && (!(first >> 7) || reader->header[1] > WS_FRAME_MAX_CONTROL))
        return "control frame in pieces or too long";
    if (!control && (opcode == WS_FRAME_CONTINUATION) != reader->in_message)
        return reader->in_message ? "a message begins within another" : "continuation of nothing";
    return NULL;
}

/* The complete header in reader->header becomes the present frame; NULL, or what is wrong with it.
 */
static const char *begin_frame(struct ws_frame_reader *reader, size_t header_len)
{
    bool control;

    reader->final = reader->header[0] >> 7;
    reader->opcode = (enum ws_frame_opcode)(reader->header[0] & 0x0fu);
    reader->left = reader->header[1];
    control = reader->opcode & 8u;
    if (header_len > 2) {
        reader->left = 0;
        for (size_t i = 2; i < header_len; i++)
            reader->left = reader->left << 8 | reader->header[i];
    }
    if ((header_len == 4 && reader->left < 126) || (header_len == 10 && reader->left < 65536))
        return "length not in its shortest form";
    if (reader->left >> 63)
        return "length out of range";
    if (!control && !reader->in_message)
        reader->message_opcode = reader->opcode;
    if (!control)
        reader->in_message = true;
    reader->control_len = 0;
    reader->in_payload = true;
    reader->have = 0;
    return NULL;
}

static void forget_delivered(struct ws_frame_reader *reader)
{
    if (!reader->delivered)
        return;
    reader->delivered = false;
    if (reader->message.cap > KEEP_BYTES)
        buf_deinit(&reader->message);
    else
        buf_reset(&reader->message);
}

/* Payload of the present frame from data; *used counts on. NEED_MORE also at the end of a frame
 * that finishes nothing. */
static struct ws_frame_item read_payload(struct ws_frame_reader *reader, const char *data,
                                         size_t len, size_t *used)
{
    struct ws_frame_item item = {.kind = WS_FRAME_NEED_MORE, .opcode = reader->opcode};
    size_t n = reader->left < len ? (size_t)reader->left : len;
    bool control = reader->opcode & 8u, whole = n == reader->left;
    enum antiphon_status status;

    *used += n;
    reader->left -= n;
    if (whole)
        reader->in_payload = false;
    if (control) {
        if (n)
            memcpy(reader->control + reader->control_len, data, n);
        reader->control_len += (unsigned)n;
        if (whole)
            item = (struct ws_frame_item){.kind = WS_FRAME_CONTROL,
                                          .opcode = reader->opcode,
                                          .data = (const char *)reader->control,
                                          .len = reader->control_len};
        return item;
    }
    item.opcode = reader->message_opcode;
    if (whole && reader->final && !reader->message.len) { /* where it lies, without a copy */
        reader->in_message = false;
        item.kind = WS_FRAME_MESSAGE;
        item.data = n ? data : "";
        item.len = n;
        return item;
    }
    status = buf_append(&reader->message, data, n);
    if (status)
        return bad(reader, status, "out of memory");
    if (whole && reader->final) {
        reader->in_message = false;
        reader->delivered = true;
        item.kind = WS_FRAME_MESSAGE;
        item.data = reader->message.data;
        item.len = reader->message.len;
    }
    return item;
}

/* Takes bytes of a header; a NEED_MORE item unless it is bad. Where it ends, reader->in_payload is set. */
static struct ws_frame_item read_header(struct ws_frame_reader *reader, const char *data, size_t len, size_t *used)
{
    size_t need = header_need(reader);
    size_t n = len < need - reader->have ? len : need - reader->have;
    const char *why;

    memcpy(reader->header + reader->have, data, n);
    reader->have += (unsigned)n;
    *used += n;
    if (reader->have < 2)
        return (struct ws_frame_item){.kind = WS_FRAME_NEED_MORE};
    need = header_need(reader);
    why = check_start(reader);
    if (!why && reader->have < need)
        return (struct ws_frame_item){.kind = WS_FRAME_NEED_MORE};
    if (!why)
        why = begin_frame(reader, need);
    if (why)
        return bad(reader, ANTIPHON_EPROTOCOL, why);
    if (!(reader->opcode & 8u) && reader->left > reader->message.max - reader->message.len)
        return bad(reader, ANTIPHON_ETOOBIG, "message too big");
    return (struct ws_frame_item){.kind = WS_FRAME_NEED_MORE};
}

struct ws_frame_item ws_frame_read(struct ws_frame_reader *reader, const char *data, size_t len,
                                   size_t *used)
{
    struct ws_frame_item item = {.kind = WS_FRAME_NEED_MORE};

    *used = 0;
    if (reader->failed)
        return bad(reader, reader->failed, "the stream is broken");
    forget_delivered(reader);
    while (*used < len && item.kind == WS_FRAME_NEED_MORE) {
        if (!reader->in_payload)
            item = read_header(reader, data + *used, len - *used, used);
        if (item.kind == WS_FRAME_NEED_MORE && reader->in_payload && (*used < len || !reader->left))
            item = read_payload(reader, data + *used, len - *used, used);
    }
    return item;
}

enum antiphon_status ws_frame_close(const char *payload, size_t len, int *code, const char **reason,
                                    size_t *reason_len)
{
    int value;

    if (!len) {
        *code = 1005;
        *reason = "";
        *reason_len = 0;
        return ANTIPHON_OK;
    }
    if (len < 2)
        return ANTIPHON_EPROTOCOL;
    value = (unsigned char)payload[0] << 8 | (unsigned char)payload[1];
    if (value < 1000 || (value >= 1004 && value <= 1006) || (value > 1014 && value < 3000) ||
        value > 4999)
        return ANTIPHON_EPROTOCOL;
    *code = value;
    *reason = payload + 2;
    *reason_len = len - 2;
    return ANTIPHON_OK;
}
