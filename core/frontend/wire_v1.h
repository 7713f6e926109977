/* wire_v1 - our own protocol, WebSocket subprotocol "antiphon.v1": the sample's frames with a type,
 * a turn and a sequence number, and everything that the sample leaves out. Every frame is described
 * in schema/wire.schema.json and docs/protocol.md. Pure. */
#ifndef FRONTEND_WIRE_V1_H
#define FRONTEND_WIRE_V1_H
#include "session/frontend.h"

/* A binary frame to the client: this header, then PCM. From the client: PCM alone. */
#define WIRE_V1_AUDIO_HEADER_BYTES                                                                 \
    8 /* u8 version 1, u8 kind 1, u16 0, u32 turn (little-endian)                                  \
       */
#define WIRE_V1_BINARY_VERSION 1
#define WIRE_V1_KIND_AUDIO     1

extern const struct frontend wire_v1;
#endif
