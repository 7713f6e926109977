/* Both client protocols: any message is taken or refused with a fault, what is taken keeps its
 * promises, and what is encoded from it is again JSON that parses. The first byte chooses protocol
 * and kind. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "frontend/wire_sample.h"
#include "frontend/wire_v1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static void check_frame(void *ctx, enum frame_kind kind, bool binary,
                        const struct antiphon_span *parts, size_t n)
{
    struct json_limits limits = {.max_bytes = 64u << 20};
    struct buf joined;
    cJSON *tree = NULL;

    (void)ctx;
    buf_init(&joined, 64u << 20);
    for (size_t i = 0; i < n; i++)
        MUST(buf_append(&joined, parts[i].data, parts[i].len) == ANTIPHON_OK);
    if (!binary) {
        MUST(json_parse(joined.data, joined.len, &limits, &tree, NULL) == ANTIPHON_OK);
        MUST(cJSON_IsObject(tree));
        cJSON_Delete(tree);
    } else {
        MUST(kind == FRAME_AUDIO && joined.len >= 8);
    }
    buf_deinit(&joined);
}

static void encode(const struct antiphon_event *event)
{
    static const struct frontend *const frontends[] = {&wire_sample, &wire_v1};
    struct buf scratch;

    for (size_t i = 0; i < 6; i++) {
        struct frame_context context = {.turn = 5, .seq = 6, .audio = (enum client_audio)(i % 3)};
        buf_init(&scratch, 32u << 20);
        frontends[i / 3]->encode(event, &context, &scratch, check_frame, NULL);
        buf_deinit(&scratch);
    }
}

/* What came in is used as what goes out. */
static void encode_as_all(const struct client_input *input)
{
    static const uint32_t types[] = {ANTIPHON_EV_TEXT,
                                     ANTIPHON_EV_INPUT_TRANSCRIPT,
                                     ANTIPHON_EV_OUTPUT_TRANSCRIPT,
                                     EVENT_USER_TEXT,
                                     EVENT_ERROR,
                                     EVENT_TOOL,
                                     EVENT_STATE};
    struct antiphon_event event = EVENT_INIT(ANTIPHON_EV_AUDIO);

    event.data = input->data;
    event.len = input->len;
    event.encoding = input->encoding;
    if (input->type == CLIENT_AUDIO)
        encode(&event);
    if (input->type != CLIENT_TEXT)
        return;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        event.type = types[i];
        event.flags = i % 2 ? ANTIPHON_FLAG_THOUGHT | EVENT_FLAG_ENDS_TALK : ANTIPHON_FLAG_FINAL;
        /* text of the parser is NUL-terminated: it lies in scratch */
        event.id = event.name = event.detail = input->len ? input->data : NULL;
        encode(&event);
    }
}

static void check_audio(const struct client_input *input)
{
    size_t decoded = input->len;

    if (input->encoding == ANTIPHON_BASE64)
        MUST(base64_check(input->data, input->len, &decoded) == BASE64_STANDARD);
    MUST(decoded == input->pcm_bytes && decoded % 2 == 0);
}

static void check_input(const struct client_input *input)
{
    switch (input->type) {
    case CLIENT_TEXT:
        MUST(input->encoding == ANTIPHON_RAW && json_is_utf8(input->data, input->len));
        break;
    case CLIENT_AUDIO:
        check_audio(input);
        break;
    case CLIENT_IMAGE:
        MUST(input->mime != NULL);
        break;
    case CLIENT_PLAYED:
        MUST(input->played_ms >= 0);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client_input input;
    struct client_fault fault;
    struct buf scratch;

    if (size == 0)
        return 0;
    const struct frontend *frontend = data[0] & 1 ? &wire_v1 : &wire_sample;
    bool binary = (data[0] & 6) == 6;
    buf_init(&scratch, 1u << 20);
    if (frontend->parse(binary, (const char *)data + 1, size - 1, &scratch, &input, &fault)) {
        MUST(fault.code && fault.hint && fault.message[0] != '\0');
        MUST(memchr(fault.message, '\0', sizeof(fault.message)) != NULL);
    } else {
        check_input(&input);
        encode_as_all(&input);
    }
    buf_deinit(&scratch);
    return 0;
}
