/* tool_run - the open tool calls of one session: a pure machine with its book-keeping. No I/O, no clock.
 *
 *   REQUESTED -> RUNNING -> DONE | FAILED | CANCELLED
 *
 * The calls of one message of the model form a batch and are answered together, in call order, when the last of them is
 * over. Each id runs once and is answered once. */
#ifndef SESSION_TOOL_RUN_H
#define SESSION_TOOL_RUN_H
#include "base/buf.h"
#include "base/err.h"
#include "plugin/host.h"
#include "session/tool_args.h"

#define TOOL_RUN_MAX_OPEN 64
#define TOOL_RUN_MAX_RESULT_BYTES HOST_MAX_RESULT /* a longer result is replaced by an error */
#define TOOL_RUN_MAX_ERROR_BYTES 4096             /* a longer message is cut */

enum tool_run_state { TOOL_REQUESTED, TOOL_RUNNING, TOOL_DONE, TOOL_FAILED, TOOL_CANCELLED };

struct tool_run {
    uint64_t number;      /* ours: rises, never reused in a session */
    uint64_t batch;
    enum tool_run_state state;
    char *id;             /* owned; the model's, or made by us */
    bool local_id;        /* made by us: left out of the answer */
    char *name, *args;    /* owned; args as they came */
    char *response;       /* owned; JSON object once DONE or FAILED, NULL when CANCELLED */
    uint64_t deadline_ms; /* 0: none */
    void *job;            /* the caller's */
};
struct tool_runs { /* start zeroed */
    struct tool_run run[TOOL_RUN_MAX_OPEN];
    size_t n;
    uint64_t next_number, batch;
    uint32_t due; /* calls of the newest batch that are still to be added: it is not answered before */
};
void tool_runs_deinit(struct tool_runs *runs);
/* One TOOL_CALL event: index 0 begins a batch of `count` calls. *run is valid until the next tool_runs_take_batch(), its
 * number for ever. id NULL or empty: one is made ("antiphon-" and the number). Otherwise nothing happened, and the batch
 * goes on without this call: EEXISTS: a call of that id is here already; EBUSY: TOOL_RUN_MAX_OPEN are; EINVAL: it has no
 * name; ENOMEM. */
enum antiphon_status tool_runs_add(struct tool_runs *runs, const struct antiphon_event *call,
                                   struct tool_run **run) MUST_CHECK;
struct tool_run *tool_runs_find(struct tool_runs *runs, uint64_t number);      /* NULL: gone */
struct tool_run *tool_runs_find_id(struct tool_runs *runs, const char *id);
/* Does nothing unless the call is REQUESTED. */
void tool_run_start(struct tool_run *run, void *job, uint64_t deadline_ms);
/* The end of a call. status OK: text is a JSON value; objects stay, anything else becomes {"result": value}; not JSON: an error.
 * Other statuses: text is a message, {"error": text}. false: it was over already, nothing happened. */
bool tool_run_finish(struct tool_run *run, enum antiphon_status status, const char *text, size_t len);
/* false: it was over already, there is nothing to stop; if its result still waits for the rest of the batch, it is left
 * out all the same. */
bool tool_run_cancel(struct tool_run *run);
/* If a whole batch is over: appends the JSON array for ANTIPHON_EV_TOOL_RESULTS to `results` ([{"id","name","response"}], without the
 * cancelled ones; nothing at all if all were), hands every call to `over` (which may look at state, id, name, response), removes
 * the batch and returns true. Call again until false. If the results do not fit into `results` together, the longest are
 * replaced by errors; if not even those fit or memory is short, buf_status(results) tells. */
typedef void tool_runs_over_fn(void *ctx, const struct tool_run *run);
bool tool_runs_take_batch(struct tool_runs *runs, struct buf *results, tool_runs_over_fn *over, void *ctx);
/* The earliest deadline of a running call, or 0. */
uint64_t tool_runs_deadline(const struct tool_runs *runs);
bool tool_runs_open(const struct tool_runs *runs);
#endif
