/* closing - why a connection ended and what can be done: the table of close codes and reasons.
 * Pure.
 *
 * The service tells almost every error by a close frame whose reason is cut at 123 bytes, so rows
 * match by a piece of the reason, and the code only where it matters. */
#ifndef GEMINI_CLOSING_H
#define GEMINI_CLOSING_H
#include "antiphon/plugin.h"

/* What was going on. */
struct closing_context {
    bool ready;  /* setup had been accepted */
    bool handle; /* setup asked to resume */
    bool vertex;
    bool bearer; /* an OAuth token was sent: another one may help */
};

struct closing {
    int32_t status;    /* enum antiphon_status */
    uint32_t flags;    /* ANTIPHON_FLAG_MAY_RESUME, _MAY_RESTART, _BACK_OFF */
    const char *name;  /* stable error code */
    const char *cause; /* a sentence for a person */
    const char *next;  /* what to do, a sentence */
};

/* A close frame (or its absence, 1006) after the WebSocket had opened. */
struct closing closing_of_code(int code, const char *reason, const struct closing_context *context);
/* Any other end: the failure of a stage before. */
struct closing closing_of_end(const struct antiphon_ws_end *end,
                              const struct closing_context *context);
/* An error object: code as of HTTP. */
struct closing closing_of_error(int code, const char *message,
                                const struct closing_context *context);
/* The server sent what is not its protocol. */
struct closing closing_of_nonsense(void);
#endif
