/* runner_wire - the protocol between the server and a runner, the process in which an isolated plugin lives, over a
 * SOCK_SEQPACKET socket pair. Both ends are the same executable, so numbers are in the machine's order; but the server
 * believes nothing that a runner sends: everything is bounded and checked by the table in runner_wire.def.
 *
 * A message is a head and its texts. It crosses in packets of at most RUNNER_MAX_PACKET bytes, because a socket takes no
 * larger ones than its buffer; whoever sends keeps the packets of one message together. Pure. */
#ifndef PLUGIN_RUNNER_WIRE_H
#define PLUGIN_RUNNER_WIRE_H
#include "base/buf.h"
#include "base/err.h"

#define RUNNER_MAX_PACKET  ((size_t)64 << 10)
#define RUNNER_MAX_MESSAGE ((size_t)5 << 20) /* an HTTP answer of 4 MiB or a result of 1 MiB, and what goes with it */
#define RUNNER_MAX_TEXTS   9

enum runner_type {
#define RUNNER_MESSAGE(name, to, texts) RUNNER_##name,
#include "plugin/runner_wire.def"
#undef RUNNER_MESSAGE
    RUNNER_TYPES
};

#define RUNNER_LOAD_SELF_TEST (1u << 0)
#define RUNNER_HTTP_PARTS  (1u << 31) /* beside ANTIPHON_HTTP_*: the body comes in HTTP_PARTs */
#define RUNNER_TOOL_INVOKE (1u << 0) /* what the tool has */
#define RUNNER_TOOL_CANCEL (1u << 1)
#define RUNNER_TOOL_UNDO   (1u << 2)

struct runner_text {
    const char *data; /* NULL: absent; a NUL follows */
    size_t len;
};
struct runner_message {
    enum runner_type type;
    int32_t status; /* enum antiphon_status */
    uint32_t flags;
    uint64_t number, value[2];
    struct runner_text text[RUNNER_MAX_TEXTS]; /* borrowed; as many as the type has */
};

const char *runner_type_name(enum runner_type type); /* such as "FINISH" */
/* A text of a message; NULL is absent. */
struct runner_text runner_text(const char *text);
/* The text, or "" where it is absent. */
const char *runner_text_or_empty(const struct runner_message *message, unsigned index);

/* Replaces the content of out. EINVAL: a text that its type must have is absent, or has a NUL where it may not;
 * ETOOBIG: longer than RUNNER_MAX_MESSAGE. */
enum antiphon_status runner_wire_encode(const struct runner_message *message, struct buf *out) MUST_CHECK;
/* The texts of *message point into data, which must outlive it. to_server: only what a runner may send is right, else
 * only what the server sends. EPROTOCOL: anything that runner_wire_encode() does not write. */
enum antiphon_status runner_wire_decode(const char *data, size_t len, bool to_server, struct runner_message *message,
                                        struct err *err) MUST_CHECK;

/* The packet of message that begins at *offset: fills head, tells its share and moves *offset on. False: it was the last one
 * before. The packet is head, then share bytes of data. */
struct runner_packet {
    uint32_t share, left; /* bytes of the message in this packet and behind it */
};
bool runner_wire_cut(size_t len, size_t *offset, struct runner_packet *head);
/* Appends the packet to message; *whole when it was the last one, and message must then be reset before the next. EPROTOCOL:
 * a packet that does not fit to those before. */
enum antiphon_status runner_wire_join(struct buf *message, const char *packet, size_t len, bool *whole,
                                      struct err *err) MUST_CHECK;
#endif
