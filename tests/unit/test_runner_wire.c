#include "unit.h"

#include "plugin/runner_wire.h"

static void encode(const struct runner_message *message, struct buf *out)
{
    buf_init(out, RUNNER_MAX_MESSAGE);
    assert_int_equal(runner_wire_encode(message, out), ANTIPHON_OK);
}

static struct runner_message result_of(const char *text, size_t len)
{
    return (struct runner_message){
        .type = RUNNER_FINISH, .status = ANTIPHON_ETIMEOUT, .number = 1ull << 40, .text = {{text, len}}};
}

/* Each type with all texts, and with what may be absent away. */
static void test_every_type_comes_back(void **state)
{
    static const char *const kinds[] = {
#define RUNNER_MESSAGE(name, to, texts) texts,
#include "plugin/runner_wire.def"
#undef RUNNER_MESSAGE
    };
    static const bool to_server[] = {
#define RUNNER false
#define SERVER true
#define RUNNER_MESSAGE(name, to, texts) to,
#include "plugin/runner_wire.def"
#undef RUNNER_MESSAGE
#undef RUNNER
#undef SERVER
    };

    (void)state;
    for (unsigned type = 0; type < RUNNER_TYPES * 2; type++) {
        struct runner_message sent = {.type = (enum runner_type)(type / 2),
                                      .status = ANTIPHON_EBUSY,
                                      .flags = 7,
                                      .number = UINT64_MAX,
                                      .value = {1, UINT64_MAX - 1}};
        struct runner_message got;
        struct err err = {0};
        struct buf wire;
        size_t texts = strlen(kinds[type / 2]);

        assert_true(texts <= RUNNER_MAX_TEXTS);
        for (size_t i = 0; i < texts; i++) {
            bool may_be_absent = kinds[type / 2][i] == 'o' || kinds[type / 2][i] == 'O';
            sent.text[i] = runner_text(may_be_absent && type % 2 ? NULL : i % 2 ? "" : "text");
        }
        encode(&sent, &wire);
        assert_int_equal(runner_wire_decode(wire.data, wire.len, to_server[type / 2], &got, &err), ANTIPHON_OK);
        assert_int_equal(got.type, sent.type);
        assert_int_equal(got.status, sent.status);
        assert_int_equal(got.flags, 7);
        assert_true(got.number == sent.number && got.value[0] == 1 && got.value[1] == sent.value[1]);
        for (size_t i = 0; i < texts; i++) {
            assert_int_equal(got.text[i].len, sent.text[i].len);
            assert_int_equal(got.text[i].data == NULL, sent.text[i].data == NULL);
            if (got.text[i].data)
                assert_string_equal(got.text[i].data, sent.text[i].data);
        }
        assert_int_equal(runner_wire_decode(wire.data, wire.len, !to_server[type / 2], &got, &err),
                         ANTIPHON_EPROTOCOL);
        buf_deinit(&wire);
    }
}

static void test_refuses_texts_that_are_wrong(void **state)
{
    struct runner_message failed = {.type = RUNNER_FAILED, .text = {{"a\0b", 3}}};
    struct buf wire;

    (void)state;
    buf_init(&wire, RUNNER_MAX_MESSAGE);
    assert_int_equal(runner_wire_encode(&failed, &wire), ANTIPHON_EINVAL);
    failed.text[0] = runner_text(NULL);
    assert_int_equal(runner_wire_encode(&failed, &wire), ANTIPHON_EINVAL);
    char *large = calloc(1, RUNNER_MAX_MESSAGE);
    assert_non_null(large);
    struct runner_message result = result_of(large, RUNNER_MAX_MESSAGE);
    assert_int_equal(runner_wire_encode(&result, &wire), ANTIPHON_ETOOBIG);
    free(large);
    buf_deinit(&wire);
}

/* Whatever is cut off or changed in the lengths is noticed. */
static void test_refuses_damage(void **state)
{
    struct runner_message result = result_of("\"a\0b\"", 5), got;
    struct err err = {0};
    struct buf wire;

    (void)state;
    encode(&result, &wire);
    for (size_t len = 0; len < wire.len; len++)
        assert_int_equal(runner_wire_decode(wire.data, len, true, &got, &err), ANTIPHON_EPROTOCOL);
    assert_int_equal(buf_append(&wire, "", 1), ANTIPHON_OK);
    assert_int_equal(runner_wire_decode(wire.data, wire.len, true, &got, &err), ANTIPHON_EPROTOCOL);
    assert_string_equal(err.text, "FINISH with 1 bytes too many");
    wire.data[wire.len - 2] = 'x'; /* the NUL behind the text */
    assert_int_equal(runner_wire_decode(wire.data, wire.len - 1, true, &got, &err), ANTIPHON_EPROTOCOL);
    buf_deinit(&wire);
}

static void test_large_messages_cross_in_packets(void **state)
{
    static char packet[RUNNER_MAX_PACKET];
    size_t size = (size_t)1 << 20, offset = 0, at = 0, packets = 0;
    char *large = malloc(size);
    struct runner_packet head;
    struct buf wire, joined;
    struct err err = {0};
    bool whole = false;

    (void)state;
    assert_non_null(large);
    for (size_t i = 0; i < size; i++)
        large[i] = (char)(i * 31);
    struct runner_message result = result_of(large, size), got;
    encode(&result, &wire);
    buf_init(&joined, RUNNER_MAX_MESSAGE);
    for (; runner_wire_cut(wire.len, &offset, &head); at = offset, packets++) {
        assert_false(whole);
        memcpy(packet, &head, sizeof(head));
        memcpy(packet + sizeof(head), wire.data + at, head.share);
        assert_int_equal(runner_wire_join(&joined, packet, sizeof(head) + head.share, &whole, &err), ANTIPHON_OK);
    }
    assert_true(whole);
    assert_int_equal(packets, 17);
    assert_int_equal(runner_wire_decode(joined.data, joined.len, true, &got, &err), ANTIPHON_OK);
    assert_int_equal(got.text[0].len, size);
    assert_memory_equal(got.text[0].data, large, size);
    buf_deinit(&wire);
    buf_deinit(&joined);
    free(large);
}

static void test_refuses_packets_that_do_not_fit(void **state)
{
    struct {
        struct runner_packet head;
        char data[16];
    } packet = {.head = {16, UINT32_MAX}};
    struct err err = {0};
    struct buf joined;
    bool whole = false;

    (void)state;
    buf_init(&joined, RUNNER_MAX_MESSAGE);
    assert_int_equal(runner_wire_join(&joined, (char *)&packet, sizeof(packet), &whole, &err), ANTIPHON_EPROTOCOL);
    packet.head = (struct runner_packet){15, 0};
    assert_int_equal(runner_wire_join(&joined, (char *)&packet, sizeof(packet), &whole, &err), ANTIPHON_EPROTOCOL);
    packet.head = (struct runner_packet){0, 0};
    assert_int_equal(runner_wire_join(&joined, (char *)&packet, sizeof(packet.head), &whole, &err),
                     ANTIPHON_EPROTOCOL);
    assert_int_equal(runner_wire_join(&joined, (char *)&packet, 3, &whole, &err), ANTIPHON_EPROTOCOL);
    packet.head = (struct runner_packet){16, (uint32_t)RUNNER_MAX_MESSAGE - 16};
    assert_int_equal(runner_wire_join(&joined, (char *)&packet, sizeof(packet), &whole, &err), ANTIPHON_OK);
    assert_int_equal(runner_wire_join(&joined, (char *)&packet, sizeof(packet), &whole, &err), ANTIPHON_EPROTOCOL);
    assert_false(whole);
    buf_deinit(&joined);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_comes_back),
        cmocka_unit_test(test_refuses_texts_that_are_wrong),
        cmocka_unit_test(test_refuses_damage),
        cmocka_unit_test(test_large_messages_cross_in_packets),
        cmocka_unit_test(test_refuses_packets_that_do_not_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
