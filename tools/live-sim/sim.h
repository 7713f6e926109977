/* sim - what the whole process shares. One thread, one loop; everything here belongs to it. */
#ifndef LIVE_SIM_SIM_H
#define LIVE_SIM_SIM_H
#include "handles.h"
#include "options.h"
#include "rest.h"
#include "scenario.h"
#include "trace.h"
#include <openssl/types.h>
#include <uv.h>

#define SIM_MAX_CONNECTIONS 1024 /* more are closed as soon as they are accepted */

struct conn;

struct sim {
    uv_loop_t *loop; /* borrowed */
    struct options options;
    struct wire_style style; /* of options, changed by scenarios */
    struct scenario scenario;
    struct handles handles;
    struct trace trace;
    struct rest rest;
    SSL_CTX *ssl;         /* owned, NULL: plain */
    uint64_t call_number; /* of the last function call */
    uint32_t accepted, upgrades, open;
    struct conn *conns; /* owned list */
    bool stopping;
};
#endif
