/* wire_sample - the protocol of the ADK streaming sample (adk-docs,
 * examples/python/snippets/streaming/ adk-streaming-ws), as docs/protocol.md "The sample's
 * protocol" describes it: JSON text frames, PCM as base64. Its page shows nothing for an error
 * frame, so an error that ends the talk is also said as text. Pure. */
#ifndef FRONTEND_WIRE_SAMPLE_H
#define FRONTEND_WIRE_SAMPLE_H
#include "session/frontend.h"

extern const struct frontend wire_sample;
#endif
