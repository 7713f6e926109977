#include "ws.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

void ws_reader_free(struct ws_reader *reader)
{
    bytes_free(&reader->in);
    bytes_free(&reader->message);
    bytes_free(&reader->control);
}

void ws_feed(struct ws_reader *reader, const void *data, size_t len)
{
    bytes_add(&reader->in, data, len);
}

struct frame {
    bool fin;
    enum ws_opcode opcode;
    size_t head, len; /* bytes before the payload, bytes of it */
    unsigned char mask[4];
};

/* 0 and a filled frame, WS_MORE's equivalent -1, or the close code of a broken header. */
static int read_head(const struct bytes *in, struct frame *frame)
{
    const unsigned char *p = (const unsigned char *)in->data;
    uint64_t len;
    if (in->len < 2)
        return -1;
    if (p[0] & 0x70 || !(p[1] & 0x80))
        return 1002;
    frame->fin = p[0] & 0x80;
    frame->opcode = (enum ws_opcode)(p[0] & 0x0F);
    len = p[1] & 0x7F;
    bool control = frame->opcode >= WS_CLOSE;
    if ((control && (!frame->fin || len > 125)) || frame->opcode > WS_PONG ||
        (frame->opcode > WS_BINARY && !control))
        return 1002;
    size_t extra = len == 127 ? 8 : len == 126 ? 2 : 0;
    frame->head = 2 + extra + 4;
    if (in->len < frame->head)
        return -1;
    if (extra) {
        len = 0;
        for (size_t i = 0; i < extra; i++)
            len = len << 8 | p[2 + i];
    }
    if (len > WS_MAX_MESSAGE)
        return 1009;
    memcpy(frame->mask, p + 2 + extra, 4);
    frame->len = (size_t)len;
    return in->len < frame->head + frame->len ? -1 : 0;
}

static void take_payload(struct ws_reader *reader, const struct frame *frame, struct bytes *out)
{
    size_t start = out->len;
    bytes_add(out, reader->in.data + frame->head, frame->len);
    for (size_t i = 0; i < frame->len; i++)
        out->data[start + i] = (char)(out->data[start + i] ^ frame->mask[i & 3]);
    bytes_consume(&reader->in, frame->head + frame->len);
}

static enum ws_status broken(uint16_t *code, int value)
{
    *code = (uint16_t)value;
    return WS_BROKEN;
}

enum ws_status ws_next(struct ws_reader *reader, struct ws_message *message, uint16_t *code)
{
    for (;;) {
        struct frame frame;
        int status = read_head(&reader->in, &frame);
        if (status < 0)
            return WS_MORE;
        if (status > 0)
            return broken(code, status);
        if (frame.opcode >= WS_CLOSE) {
            bytes_reset(&reader->control);
            take_payload(reader, &frame, &reader->control);
            *message =
                (struct ws_message){frame.opcode, bytes_str(&reader->control), reader->control.len};
            return WS_MESSAGE;
        }
        if ((frame.opcode == WS_CONTINUE) != reader->assembling)
            return broken(code, 1002);
        if (!reader->assembling) {
            bytes_reset(&reader->message);
            reader->opcode = frame.opcode;
        }
        if (reader->message.len + frame.len > WS_MAX_MESSAGE)
            return broken(code, 1009);
        take_payload(reader, &frame, &reader->message);
        reader->assembling = !frame.fin;
        if (!frame.fin)
            continue;
        if (reader->opcode == WS_TEXT &&
            !mem_utf8_valid(bytes_str(&reader->message), reader->message.len))
            return broken(code, 1007);
        *message =
            (struct ws_message){reader->opcode, bytes_str(&reader->message), reader->message.len};
        return WS_MESSAGE;
    }
}

void ws_encode(struct bytes *out, enum ws_opcode opcode, bool fin, const void *data, size_t len)
{
    unsigned char head[10] = {(unsigned char)((fin ? 0x80 : 0) | opcode)};
    size_t size = 2;
    if (len < 126) {
        head[1] = (unsigned char)len;
    } else {
        size_t extra = len > 0xFFFF ? 8 : 2;
        head[1] = extra == 8 ? 127 : 126;
        for (size_t i = 0; i < extra; i++)
            head[2 + i] = (unsigned char)((uint64_t)len >> 8 * (extra - 1 - i) & 0xFF);
        size += extra;
    }
    bytes_add(out, head, size);
    bytes_add(out, data, len);
}

void ws_encode_message(struct bytes *out, enum ws_opcode opcode, const void *data, size_t len,
                       size_t fragment)
{
    const char *at = data;
    if (!fragment)
        fragment = len ? len : 1;
    do {
        size_t now = len < fragment ? len : fragment;
        len -= now;
        ws_encode(out, opcode, len == 0, at, now);
        at += now;
        opcode = WS_CONTINUE;
    } while (len > 0);
}

void ws_encode_close(struct bytes *out, uint16_t code, const char *reason)
{
    char payload[2 + WS_MAX_REASON] = {(char)(code >> 8), (char)(code & 0xFF)};
    size_t len = mem_utf8_cut(reason, strlen(reason), WS_MAX_REASON);
    memcpy(payload + 2, reason, len);
    ws_encode(out, WS_CLOSE, true, payload, code ? len + 2 : 0);
}

uint16_t ws_close_code(const struct ws_message *message, char *reason, size_t size)
{
    reason[0] = 0;
    if (message->len == 0)
        return 1005;
    if (message->len == 1)
        return 1002;
    const unsigned char *p = (const unsigned char *)message->data;
    if (!mem_utf8_valid(message->data + 2, message->len - 2))
        return 1007;
    snprintf(reason, size, "%.*s", (int)(message->len - 2), message->data + 2);
    return (uint16_t)(p[0] << 8 | p[1]);
}

void ws_accept(const char *key, char out[WS_ACCEPT_LENGTH + 1])
{
    unsigned char digest[SHA_DIGEST_LENGTH];
    struct bytes text = {0}, encoded = {0};
    bytes_printf(&text, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    SHA1((const unsigned char *)text.data, text.len, digest);
    bytes_base64(&encoded, digest, sizeof digest);
    snprintf(out, WS_ACCEPT_LENGTH + 1, "%s", encoded.data);
    bytes_free(&text);
    bytes_free(&encoded);
}
