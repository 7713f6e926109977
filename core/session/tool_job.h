/* tool_job - one call of a tool on its way through the worker pool, from start to exactly one result. The tool may finish
 * from any thread, late, twice or never: the session sees at most one result, and only if it still lives.
 *
 * Undoing: a call that left a receipt, was cancelled and has succeeded all the same is undone by the tool's undo(), once, whoever
 * was first: cancel or finish. It runs in the pool like any call and needs no session; the journal has its outcome. Its deadline
 * is the tool's timeout, else 30 s: then the journal says "not undone", the tool is told to stop, and a success that comes later
 * still counts. A call that answers an error has had no effect, says its tool. */
#ifndef SESSION_TOOL_JOB_H
#define SESSION_TOOL_JOB_H
#include "session/runtime.h"
#include "session/sessions.h"
#include "session/tool_state.h"

#define TOOL_JOB_MAX_PROGRESS 1024
#define TOOL_JOB_MAX_SHOWN    20 /* lines of progress and events for the page in a second, of one call */

struct tool_job;
struct tool_job_options {
    const struct registry_tool *tool; /* held by the caller; the job holds it as well until it is over */
    const char *call_id, *app, *session_id, *user_id, *agent;
    uint32_t flags;                   /* ANTIPHON_CALL_* */
    const char *args;                 /* valid JSON object; copied, as the ids */
    size_t args_len;
    uint64_t deadline_ms;
    unsigned shard;                   /* the session's */
    uint64_t session, number;         /* handle; the caller's number of the call */
    const char *row;                  /* of the journal */
    struct tool_state *state;         /* of the conversation; NULL: none */
};
/* [shard] Delivered to the session of the options, on its shard. */
struct tool_result {
    struct session_message message;
    uint64_t number;
    bool progress;                    /* text is for the user, the call runs on */
    bool undone;                      /* a call that was over has been undone; text: its id, a NUL, the tool's name */
    enum antiphon_status status;
    size_t len;
    char text[];                      /* NUL-terminated */
};
typedef void tool_result_fn(struct session *session, struct session_message *message);

/* [shard] EBUSY: the pool is full. */
enum antiphon_status tool_job_start(struct runtime *runtime, const struct tool_job_options *options,
                                    tool_result_fn *on_result, struct tool_job **job) MUST_CHECK;
/* [shard] Nobody wants the result any more: the tool is told, a late result is dropped and counted. Gives the job up. */
void tool_job_cancel(struct tool_job *job);
/* [shard] The result arrived: gives the job up. The answer is what undoes it, should somebody want that later, or NULL if
 * nothing does. */
struct tool_job *tool_job_release(struct tool_job *job);
/* [shard] Before either: what the call has changed of the state, one JSON object (caller frees), or NULL. */
char *tool_job_take_delta(struct tool_job *job);
/* [any] Of tool_job_release(): runs it; forgets it. Both give it up. */
void tool_job_undo(struct tool_job *undo);
void tool_job_forget(struct tool_job *undo);

/* [main] What is there: at first OPEN. ENDING, before the pool goes: nothing is undone any more. CLOSED, before the store goes: nothing
 * is written down any more. */
enum tool_jobs_phase { TOOL_JOBS_OPEN, TOOL_JOBS_ENDING, TOOL_JOBS_CLOSED };
void tool_jobs_set_phase(enum tool_jobs_phase phase);
/* [any] Calls that their tools have not finished. */
unsigned tool_jobs_open(void);

/* [any] To the call's session, if it still lives and wants the call. Takes the message over. */
void tool_job_post(const struct antiphon_call *call, struct session_message *message);

/* [any] Behind host->finish, cancelled, progress, receipt, state_get and state_set. */
void tool_job_finish(struct antiphon_call *call, enum antiphon_status status, const char *text, size_t len);
bool tool_job_cancelled(const struct antiphon_call *call);
/* False: it has shown TOOL_JOB_MAX_SHOWN things within this second, which is said once in the log, if the
 * plugin has no keeper of its own. tool_job_progress() asks
 * itself, and drops what is too much. */
bool tool_job_may_show(const struct antiphon_call *call);
void tool_job_progress(struct antiphon_call *call, const char *text, size_t len);
enum antiphon_status tool_job_receipt(struct antiphon_call *call, const char *json, size_t len);
enum antiphon_status tool_job_state_get(const struct antiphon_call *call, const char *key, char *json, size_t size,
                                        size_t *len);
enum antiphon_status tool_job_state_set(struct antiphon_call *call, const char *key, const char *json, size_t len);
#endif
