/* hook_call - one question to one hook on its way through the hooks' own workers, so that slow tools do not delay it. The
 * hook may answer from any thread, late, twice or never: the session sees at most one answer, and only while it waits. A
 * hook that does not come back holds HOOK_CALL_MAX_OPEN workers' time at most; further questions are then answered for it. */
#ifndef SESSION_HOOK_CALL_H
#define SESSION_HOOK_CALL_H
#include "session/runtime.h"
#include "session/sessions.h"

#define HOOK_CALL_MAX_OPEN 16        /* questions to one hook that are not yet answered; more: EBUSY */
#define HOOK_CALL_MAX_BYTES (2u * 1024 * 1024) /* of an answer's text; more counts as an error */

struct hook_call;
/* [shard] Delivered to the session, on its shard. */
struct hook_answer {
    struct session_message message;
    uint64_t number;                 /* the caller's */
    enum antiphon_status status;     /* not OK: the hook failed, there is no verdict */
    enum antiphon_verdict verdict;
    size_t len;
    char text[];                     /* NUL-terminated */
};
typedef void hook_answer_fn(struct session *session, struct session_message *message);

struct hook_call_options {
    const struct registry_hook *hook; /* borrowed for ever */
    const struct antiphon_check *check; /* texts are copied */
    unsigned shard;
    uint64_t session, number;
    hook_answer_fn *on_answer;        /* NULL: nobody waits */
};
/* [shard] EBUSY: too many questions wait. *call may be NULL if nobody waits. */
enum antiphon_status hook_call_start(struct runtime *runtime, const struct hook_call_options *options,
                                     struct hook_call **call) MUST_CHECK;
/* [shard] Nobody waits any more: the answer has come, or is too late. */
void hook_call_release(struct hook_call *call);

/* [any] Behind host->decide. */
void hook_call_decide(struct antiphon_check *check, enum antiphon_verdict verdict, const char *text, size_t len);
#endif
