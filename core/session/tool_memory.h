/* tool_memory - the tool calls of a session that are over, by the model's ids: so that a call that is asked for again is not run
 * again, and so that one the model takes back too late can be undone. Pure; owned by one session.
 *
 * Bounded: the newest TOOL_MEMORY_MAX_CALLS calls, and of their responses the newest TOOL_MEMORY_MAX_BYTES together (an older
 * call is remembered without its response then). */
#ifndef SESSION_TOOL_MEMORY_H
#define SESSION_TOOL_MEMORY_H
#include "base/status.h"

#define TOOL_MEMORY_MAX_CALLS 256
#define TOOL_MEMORY_MAX_BYTES (1024u * 1024)

struct tool_memory_call {
    char *id;              /* owned */
    char *response;        /* owned; what the model was told, a JSON object; NULL: nothing, or no longer known */
    uint64_t connection;   /* the caller's number of the connection on which it was told */
    void *undo;            /* the caller's, what is needed to undo it; NULL: nothing */
};
/* What is forgotten is handed to `forget` first, which owns `undo` then; may be NULL. */
typedef void tool_memory_forget_fn(void *undo);
struct tool_memory { /* start zeroed */
    struct tool_memory_call *call; /* owned; a ring, allocated with the first */
    size_t n, next, bytes;
    tool_memory_forget_fn *forget;
};
void tool_memory_clear(struct tool_memory *memory);
/* Copies id and response; takes over undo in any case. An id that is here already is replaced. ENOMEM: it is not remembered. */
enum antiphon_status tool_memory_put(struct tool_memory *memory, const char *id, const char *response,
                                     uint64_t connection, void *undo) MUST_CHECK;
/* NULL: not known. Valid until the next call of tool_memory_put() or _clear(). */
struct tool_memory_call *tool_memory_find(const struct tool_memory *memory, const char *id);
/* Forgets what would undo it, without handing it to `forget`: it is the caller's. */
void *tool_memory_take_undo(struct tool_memory_call *call);
#endif
