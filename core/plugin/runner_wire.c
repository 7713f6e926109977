#include "plugin/runner_wire.h"

#include <string.h>

#include "base/banned.h"

#define ABSENT UINT32_MAX

enum side { RUNNER, SERVER };
static const struct {
    const char *name, *texts;
    enum side to;
} types[RUNNER_TYPES] = {
#define RUNNER_MESSAGE(name, to, texts) {#name, texts, to},
#include "plugin/runner_wire.def"
#undef RUNNER_MESSAGE
};

struct head {
    uint64_t number, value[2];
    uint32_t type, flags, texts;
    int32_t status;
};

const char *runner_type_name(enum runner_type type)
{
    return type < RUNNER_TYPES ? types[type].name : "unknown";
}

struct runner_text runner_text(const char *text)
{
    return (struct runner_text){text, text ? strlen(text) : 0};
}

const char *runner_text_or_empty(const struct runner_message *message, unsigned index)
{
    return message->text[index].data ? message->text[index].data : "";
}

static bool is_right(char kind, const char *data, size_t len)
{
    if (!data)
        return kind == 'o' || kind == 'O';
    return kind == 'b' || kind == 'O' || !memchr(data, '\0', len);
}

enum antiphon_status runner_wire_encode(const struct runner_message *message, struct buf *out)
{
    const char *kinds = types[message->type].texts;
    struct head head = {.number = message->number,
                        .value = {message->value[0], message->value[1]},
                        .type = message->type,
                        .flags = message->flags,
                        .texts = (uint32_t)strlen(kinds),
                        .status = message->status};

    buf_reset(out);
    buf_append(out, &head, sizeof(head));
    for (unsigned i = 0; i < head.texts; i++) {
        const struct runner_text *text = &message->text[i];
        if (!is_right(kinds[i], text->data, text->len))
            return ANTIPHON_EINVAL;
        if (text->len > RUNNER_MAX_MESSAGE)
            return ANTIPHON_ETOOBIG;
        uint32_t size = text->data ? (uint32_t)text->len : ABSENT;
        buf_append(out, &size, sizeof(size));
        if (text->data) {
            buf_append(out, text->data, text->len);
            buf_append(out, "", 1);
        }
    }
    if (out->len > RUNNER_MAX_MESSAGE)
        return ANTIPHON_ETOOBIG;
    return buf_status(out);
}

static enum antiphon_status take_text(const char **at, size_t *left, char kind, struct runner_text *text)
{
    uint32_t size;

    if (*left < sizeof(size))
        return ANTIPHON_EPROTOCOL;
    memcpy(&size, *at, sizeof(size));
    *at += sizeof(size);
    *left -= sizeof(size);
    *text = (struct runner_text){0};
    if (size != ABSENT) {
        if (size >= *left || (*at)[size] != '\0')
            return ANTIPHON_EPROTOCOL;
        *text = (struct runner_text){*at, size};
        *at += (size_t)size + 1;
        *left -= (size_t)size + 1;
    }
    return is_right(kind, text->data, text->len) ? ANTIPHON_OK : ANTIPHON_EPROTOCOL;
}

enum antiphon_status runner_wire_decode(const char *data, size_t len, bool to_server, struct runner_message *message,
                                        struct err *err)
{
    struct runner_message got = {0};
    struct head head;

    if (len < sizeof(head) || len > RUNNER_MAX_MESSAGE)
        return err_set(err, ANTIPHON_EPROTOCOL, "a message of %zu bytes", len);
    memcpy(&head, data, sizeof(head));
    if (head.type >= RUNNER_TYPES || types[head.type].to != (to_server ? SERVER : RUNNER))
        return err_set(err, ANTIPHON_EPROTOCOL, "a message of type %u", head.type);
    const char *kinds = types[head.type].texts, *at = data + sizeof(head);
    size_t left = len - sizeof(head);
    if (head.texts != strlen(kinds))
        return err_set(err, ANTIPHON_EPROTOCOL, "%s with %u texts", types[head.type].name, head.texts);
    if (head.status > 0)
        return err_set(err, ANTIPHON_EPROTOCOL, "%s with status %d", types[head.type].name, head.status);
    got.type = (enum runner_type)head.type;
    got.status = head.status;
    got.flags = head.flags;
    got.number = head.number;
    memcpy(got.value, head.value, sizeof(got.value));
    for (unsigned i = 0; i < head.texts; i++) {
        if (take_text(&at, &left, kinds[i], &got.text[i]))
            return err_set(err, ANTIPHON_EPROTOCOL, "%s with a broken text %u", types[head.type].name, i);
    }
    if (left > 0)
        return err_set(err, ANTIPHON_EPROTOCOL, "%s with %zu bytes too many", types[head.type].name, left);
    *message = got;
    return ANTIPHON_OK;
}

bool runner_wire_cut(size_t len, size_t *offset, struct runner_packet *head)
{
    size_t left = len - *offset, max = RUNNER_MAX_PACKET - sizeof(*head);
    size_t share = left < max ? left : max;

    if (share == 0)
        return false;
    *head = (struct runner_packet){(uint32_t)share, (uint32_t)(left - share)};
    *offset += share;
    return true;
}

enum antiphon_status runner_wire_join(struct buf *message, const char *packet, size_t len, bool *whole,
                                      struct err *err)
{
    struct runner_packet head;

    if (len < sizeof(head) || len > RUNNER_MAX_PACKET)
        return err_set(err, ANTIPHON_EPROTOCOL, "a packet of %zu bytes", len);
    memcpy(&head, packet, sizeof(head));
    if (head.share == 0 || head.share != len - sizeof(head) ||
        message->len + head.share + head.left > RUNNER_MAX_MESSAGE)
        return err_set(err, ANTIPHON_EPROTOCOL, "a packet of %zu bytes that does not fit", len);
    enum antiphon_status status = buf_append(message, packet + sizeof(head), head.share);
    if (status)
        return err_set(err, status, "no memory for a message");
    *whole = head.left == 0;
    return ANTIPHON_OK;
}
