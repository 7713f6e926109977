/* trace - every frame in and out as one JSON line each: {"t","link","conn","dir","type","data"},
 * the format of the recordings in tests/fixtures/wire, so that one reader serves both. dir is seen
 * from the client under test: "out" is what it sent, "in" what it was sent. Credentials never reach
 * the file. */
#ifndef LIVE_SIM_TRACE_H
#define LIVE_SIM_TRACE_H
#include "bytes.h"
#include <stdio.h>

struct trace {
    FILE *file; /* owned, NULL: nothing is written */
    uint64_t start_ns;
};

/* path NULL: off. false: the file cannot be made (errno). */
bool trace_open(struct trace *trace, const char *path);
void trace_close(struct trace *trace);
/* data is text; bytes that are not UTF-8 are shown as hexadecimal. */
void trace_text(struct trace *trace, uint32_t conn, bool from_client, const char *type,
                const char *data, size_t len);
/* json is one JSON value, written as it is. */
void trace_json(struct trace *trace, uint32_t conn, bool from_client, const char *type,
                const char *json);
void trace_close_frame(struct trace *trace, uint32_t conn, bool from_client, uint16_t code,
                       const char *reason, bool answer);
#endif
