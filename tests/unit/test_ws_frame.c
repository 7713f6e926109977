#include "unit.h"

#include "net/ws_frame.h"

#define MAX 1000u

static struct ws_frame_reader reader;

static int set_up(void **state)
{
    (void)state;
    ws_frame_reader_init(&reader, MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ws_frame_reader_deinit(&reader);
    return 0;
}

/* Feeds all of data in steps of at most step bytes, at most one item is expected per call. */
static struct ws_frame_item feed(const char *data, size_t len, size_t step, size_t *used)
{
    struct ws_frame_item item = {.kind = WS_FRAME_NEED_MORE};

    *used = 0;
    while (*used < len && item.kind == WS_FRAME_NEED_MORE) {
        size_t n = len - *used < step ? len - *used : step, took = 0;
        item = ws_frame_read(&reader, data + *used, n, &took);
        *used += took;
        assert_true(item.kind != WS_FRAME_NEED_MORE || took == n);
    }
    return item;
}

static void test_whole(void **state)
{
    static const char stream[] = "\x81\x03one\x82\x03two\x81\x00";
    size_t used;
    struct ws_frame_item item = feed(stream, 12, 100, &used);

    (void)state;
    assert_int_equal(item.kind, WS_FRAME_MESSAGE);
    assert_int_equal(item.opcode, WS_FRAME_TEXT);
    assert_ptr_equal(item.data, stream + 2); /* not copied */
    assert_int_equal(item.len, 3);
    assert_int_equal(used, 5);
    item = feed(stream + 5, 7, 100, &used);
    assert_int_equal(item.opcode, WS_FRAME_BINARY);
    assert_memory_equal(item.data, "two", 3);
    item = feed(stream + 10, 2, 100, &used);
    assert_int_equal(item.kind, WS_FRAME_MESSAGE);
    assert_int_equal(item.len, 0);
    assert_int_equal(used, 2);
}

static void test_pieces(void **state)
{
    static const char stream[] = "\x02\x03one\x89\x02hi\x00\x00\x80\x03two\x81\x01x";

    for (size_t step = 1; step < 20; step++) {
        size_t used, at = 0;
        struct ws_frame_item item = feed(stream, sizeof(stream) - 1, step, &used);
        assert_int_equal(item.kind, WS_FRAME_CONTROL);
        assert_int_equal(item.opcode, WS_FRAME_PING);
        assert_int_equal(item.len, 2);
        assert_memory_equal(item.data, "hi", 2);
        at += used;
        item = feed(stream + at, sizeof(stream) - 1 - at, step, &used);
        assert_int_equal(item.kind, WS_FRAME_MESSAGE);
        assert_int_equal(item.opcode, WS_FRAME_BINARY);
        assert_int_equal(item.len, 6);
        assert_memory_equal(item.data, "onetwo", 6);
        at += used;
        item = feed(stream + at, sizeof(stream) - 1 - at, step, &used);
        assert_int_equal(item.kind, WS_FRAME_MESSAGE);
        assert_memory_equal(item.data, "x", 1);
        tear_down(state);
        set_up(state);
    }
}

static void test_bad(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum antiphon_status status;
    } rows[] = {
        {"\x83\x00", 2, ANTIPHON_EPROTOCOL},         /* opcode 3 */
        {"\x8b\x00", 2, ANTIPHON_EPROTOCOL},         /* opcode 11 */
        {"\xc1\x00", 2, ANTIPHON_EPROTOCOL},         /* RSV1 */
        {"\x81\x81", 2, ANTIPHON_EPROTOCOL},         /* masked */
        {"\x80\x00", 2, ANTIPHON_EPROTOCOL},         /* continues nothing */
        {"\x01\x00\x81\x00", 4, ANTIPHON_EPROTOCOL}, /* begins within a message */
        {"\x09\x00", 2, ANTIPHON_EPROTOCOL},         /* ping in pieces */
        {"\x89\x7e\x00\x7e", 4, ANTIPHON_EPROTOCOL}, /* ping too long */
        {"\x81\x7e\x00\x7d", 4, ANTIPHON_EPROTOCOL}, /* 125 in 16 bits */
        {"\x81\x7f\0\0\0\0\0\0\xff\xff", 10, ANTIPHON_EPROTOCOL},
        {"\x81\x7f\x80\0\0\0\0\0\0\0", 10, ANTIPHON_EPROTOCOL},
        {"\x81\x7e\x03\xe9", 4, ANTIPHON_ETOOBIG}, /* 1001 */
        {"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10, ANTIPHON_ETOOBIG},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t used;
        struct ws_frame_item item = feed(rows[i].bytes, rows[i].len, 3, &used);
        assert_int_equal(item.kind, WS_FRAME_BAD);
        assert_int_equal(item.status, rows[i].status);
        assert_non_null(item.why);
        item = ws_frame_read(&reader, "\x81\x00", 2, &used); /* and stays so */
        assert_int_equal(item.kind, WS_FRAME_BAD);
        tear_down(state);
        set_up(state);
    }
}

static void test_bound_of_pieces(void **state)
{
    char part[4 + 600] = "\x01\x7e\x02\x58";
    size_t used;

    (void)state;
    assert_int_equal(feed(part, sizeof(part), sizeof(part), &used).kind, WS_FRAME_NEED_MORE);
    part[0] = '\x80';
    assert_int_equal(feed(part, sizeof(part), sizeof(part), &used).status, ANTIPHON_ETOOBIG);
}

static void test_header_and_mask(void **state)
{
    static const unsigned char mask[4] = {1, 2, 3, 4};
    static const struct {
        uint64_t len;
        size_t header;
    } rows[] = {{0, 6}, {125, 6}, {126, 8}, {65535, 8}, {65536, 14}};
    unsigned char out[WS_FRAME_MAX_HEADER], plain[100], masked[100];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t n = ws_frame_header(WS_FRAME_TEXT, rows[i].len, mask, out);
        assert_int_equal(n, rows[i].header);
        assert_int_equal(out[0], 0x81);
        assert_true(out[1] & 0x80);
        assert_memory_equal(out + n - 4, mask, 4);
    }
    assert_memory_equal(out + 1, "\xff\0\0\0\0\0\1\0\0", 9);
    for (unsigned i = 0; i < sizeof(plain); i++)
        plain[i] = (unsigned char)(i * 3);
    for (size_t cut = 0; cut <= sizeof(plain); cut++) {
        ws_frame_mask(masked, plain, cut, mask, 0);
        ws_frame_mask(masked + cut, plain + cut, sizeof(plain) - cut, mask, cut);
        for (size_t i = 0; i < sizeof(plain); i++)
            assert_int_equal(masked[i], plain[i] ^ mask[i & 3]);
    }
}

static void test_close(void **state)
{
    static const int good[] = {1000, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 4999};
    static const int bad[] = {0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000};
    const char *reason;
    size_t len;
    int code;

    (void)state;
    assert_int_equal(ws_frame_close("", 0, &code, &reason, &len), 0);
    assert_int_equal(code, 1005);
    assert_int_equal(ws_frame_close("\x03", 1, &code, &reason, &len), ANTIPHON_EPROTOCOL);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char payload[] = {(char)(good[i] >> 8), (char)good[i], 'h', 'i'};
        assert_int_equal(ws_frame_close(payload, 4, &code, &reason, &len), 0);
        assert_int_equal(code, good[i]);
        assert_int_equal(len, 2);
        assert_memory_equal(reason, "hi", 2);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char payload[] = {(char)(bad[i] >> 8), (char)bad[i]};
        assert_int_equal(ws_frame_close(payload, 2, &code, &reason, &len), ANTIPHON_EPROTOCOL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bound_of_pieces, set_up, tear_down),
        cmocka_unit_test(test_header_and_mask),
        cmocka_unit_test(test_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
