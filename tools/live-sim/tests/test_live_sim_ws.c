/* The framing: whole messages, fragments, every split, and what ends a connection. */
#include "ws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/* One masked client frame. */
static void add_frame(struct bytes *out, unsigned char first, const char *data, size_t len)
{
    static const unsigned char mask[4] = {1, 2, 3, 4};
    unsigned char head[8] = {first, (unsigned char)(0x80 | len)};
    size_t size = 2;
    if (len > 125) {
        head[1] = 0xFE;
        head[2] = (unsigned char)(len >> 8);
        head[3] = (unsigned char)(len & 0xFF);
        size = 4;
    }
    bytes_add(out, head, size);
    bytes_add(out, mask, 4);
    for (size_t i = 0; i < len; i++) {
        char c = (char)(data[i] ^ mask[i & 3]);
        bytes_add(out, &c, 1);
    }
}

static void fragments_at_every_split(void **state)
{
    struct bytes wire = {0};
    char text[300];
    (void)state;
    memset(text, 'a', sizeof text);
    add_frame(&wire, 0x01, "h\xC3", 2);
    add_frame(&wire, 0x89, "ping", 4);
    add_frame(&wire, 0x80, "\xA9!", 2);
    add_frame(&wire, 0x82, text, sizeof text);
    for (size_t split = 0; split <= wire.len; split++) {
        struct ws_reader reader = {0};
        struct ws_message message;
        uint16_t code = 0;
        const char *expected[] = {"ping", "h\xC3\xA9!"};
        int seen = 0;
        for (int half = 0; half < 2; half++) {
            ws_feed(&reader, wire.data + (half ? split : 0), half ? wire.len - split : split);
            while (ws_next(&reader, &message, &code) == WS_MESSAGE) {
                if (seen < 2)
                    assert_string_equal(message.data, expected[seen]);
                else
                    assert_int_equal(message.len, sizeof text);
                seen++;
            }
        }
        assert_int_equal(seen, 3);
        assert_int_equal(code, 0);
        ws_reader_free(&reader);
    }
    bytes_free(&wire);
}

static void broken_frames_have_their_code(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        uint16_t code;
    } cases[] = {
        {"\xC1\x80\0\0\0\0", 6, 1002},                      /* reserved bit */
        {"\x81\x00", 2, 1002},                              /* not masked */
        {"\x83\x80\0\0\0\0", 6, 1002},                      /* unknown opcode */
        {"\x09\x80\0\0\0\0", 6, 1002},                      /* fragmented ping */
        {"\x80\x80\0\0\0\0", 6, 1002},                      /* nothing to continue */
        {"\x88\xFE\0\x7E\0\0\0\0", 8, 1002},                /* long control frame */
        {"\x81\x81\0\0\0\0\xFF", 7, 1007},                  /* not UTF-8 */
        {"\x82\xFF\0\0\0\0\x01\0\0\x01\0\0\0\0", 14, 1009}, /* over 16 MiB */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ws_reader reader = {0};
        struct ws_message message;
        uint16_t code = 0;
        ws_feed(&reader, cases[i].bytes, cases[i].len);
        assert_int_equal(ws_next(&reader, &message, &code), WS_BROKEN);
        assert_int_equal(code, cases[i].code);
        ws_reader_free(&reader);
    }
}

static void close_reasons_are_cut_between_characters(void **state)
{
    struct bytes out = {0};
    char reason[200] = "", back[WS_MAX_REASON + 1];
    (void)state;
    memset(reason, 'x', 122);
    memcpy(reason + 122, "\xEA\xB0\x80", 3); /* would end at 125 */
    ws_encode_close(&out, 1008, reason);
    assert_int_equal(out.len, 2 + 2 + 122);
    struct ws_message message = {WS_CLOSE, out.data + 2, out.len - 2};
    assert_int_equal(ws_close_code(&message, back, sizeof back), 1008);
    assert_int_equal(strlen(back), 122);
    message.len = 0;
    assert_int_equal(ws_close_code(&message, back, sizeof back), 1005);
    bytes_free(&out);
}

static void messages_are_split_into_frames(void **state)
{
    struct bytes out = {0};
    (void)state;
    ws_encode_message(&out, WS_BINARY, "abcdefg", 7, 3);
    assert_memory_equal(out.data,
                        "\x02\x03"
                        "abc"
                        "\x00\x03"
                        "def"
                        "\x80\x01"
                        "g",
                        out.len);
    bytes_reset(&out);
    ws_encode_message(&out, WS_TEXT, "", 0, 0);
    assert_memory_equal(out.data, "\x81\x00", 2);
    bytes_free(&out);
}

static void accept_key_of_the_rfc(void **state)
{
    char accept[WS_ACCEPT_LENGTH + 1];
    (void)state;
    ws_accept("dGhlIHNhbXBsZSBub25jZQ==", accept);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fragments_at_every_split),
        cmocka_unit_test(broken_frames_have_their_code),
        cmocka_unit_test(close_reasons_are_cut_between_characters),
        cmocka_unit_test(messages_are_split_into_frames),
        cmocka_unit_test(accept_key_of_the_rfc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
