/* tool_run - the open tool calls of one session: a pure machine with its book-keeping. No I/O, no clock.
 *
 *   REQUESTED -> (ASKING ->) RUNNING -> DONE | FAILED | CANCELLED        RUNNING -> ASKING: it wants to be confirmed
 *
 * The calls of one message of the model form a batch and are answered together, in call order, when the last of them is
 * over; with `apart` each is answered by itself. Each id runs once and is answered once. A call that is cancelled by
 * the model is not answered; one that is aborted by us is, with the reason: the model waits for it. */
#ifndef SESSION_TOOL_RUN_H
#define SESSION_TOOL_RUN_H
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "plugin/host.h"
#include "session/tool_args.h"

#define TOOL_RUN_MAX_OPEN 64
#define TOOL_RUN_MAX_RESULT_BYTES HOST_MAX_RESULT /* a longer result is replaced by an error */
#define TOOL_RUN_MAX_ERROR_BYTES 4096             /* a longer message is cut */

#define TOOL_RUN_NONCE_SIZE 33

enum tool_run_state { TOOL_REQUESTED, TOOL_ASKING, TOOL_RUNNING, TOOL_DONE, TOOL_FAILED, TOOL_CANCELLED };

struct tool_run {
    uint64_t number;      /* ours: rises, never reused in a session */
    uint64_t batch;
    enum tool_run_state state;
    char *id;             /* owned; the model's, or made by us */
    bool local_id;        /* made by us: left out of the answer */
    char *name, *args;    /* owned; args as they came */
    char *response;       /* owned; JSON object for the model once it is over, NULL when CANCELLED by the model */
    uint64_t deadline_ms; /* of RUNNING, or of ASKING; 0: none */
    void *job;            /* the caller's */
    const char *scheduling; /* borrowed: goes with the answer; or NULL */

    /* What the caller keeps with it; never looked at here. */
    const struct registry_tool *tool;   /* borrowed; NULL: there is no such tool */
    const struct agent_tool *policy;    /* borrowed: the agent's entry */
    char *ready;          /* owned; args, checked: what the tool gets */
    char *shown;          /* owned; args as everybody else may see them; NULL: they hold no secret */
    char *question;       /* owned; ASKING: the tool's own question, or NULL */
    char row[ID_UUID_SIZE];          /* of the journal */
    char nonce[TOOL_RUN_NONCE_SIZE]; /* ASKING: what the answer must bear; "": nobody was asked */
    uint64_t ticket;      /* RUNNING without job: starts when this commit is done */
    const char *reason;   /* static; why it failed or was cancelled, for the journal */
    void *undo;           /* the caller's */
    char *delta;          /* owned; JSON object: the state that it has changed; NULL: none */
    bool looked_at;       /* RUNNING: it has ended, and hooks look at its result */
    enum antiphon_status result_status; /* of finish(), while it is looked at */
    char *result;         /* owned; the same */
    bool confirmed;       /* the owner has agreed to these arguments */
    bool pended;          /* it goes on, and is answered as pending */
    bool repeated;        /* it was answered before: nothing of it is recorded again */
};
struct tool_runs { /* start zeroed */
    struct tool_run *run; /* owned: TOOL_RUN_MAX_OPEN of them, from the first call on */
    size_t n;
    uint64_t next_number, batch;
    uint32_t due; /* calls of the newest batch that are still to be added: it is not answered before */
    bool apart;   /* set by the caller: a call that is added makes a batch of its own */
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
/* Does nothing unless the call is REQUESTED or ASKING. */
void tool_run_start(struct tool_run *run, void *job, uint64_t deadline_ms);
/* Does nothing unless the call is REQUESTED or RUNNING; a job that ran is over and given up before. */
void tool_run_ask(struct tool_run *run, uint64_t deadline_ms);
/* The end of a call. status OK: text is a JSON value; objects stay, anything else becomes {"result": value}; not JSON: an error.
 * Other statuses: text is a message, {"error": text}. false: it was over already, nothing happened. */
bool tool_run_finish(struct tool_run *run, enum antiphon_status status, const char *text, size_t len);
/* Once it is over and answered: another response, a JSON object. Without memory the old one stays. */
void tool_run_replace(struct tool_run *run, const char *json, size_t len);
/* By the model. false: it was over already, there is nothing to stop; if its result still waits for the rest of the batch,
 * it is left out all the same. */
bool tool_run_cancel(struct tool_run *run);
/* By us: the model is told {"error": text}. false: it was over already, and stays as it is. */
bool tool_run_abort(struct tool_run *run, const char *text);
/* If a whole batch is over: appends the JSON array for ANTIPHON_EV_TOOL_RESULTS to `results` ([{"id","name","response"}] and "scheduling"
 * where a call has it, without those that the model cancelled; nothing at all if all were), hands every call to `over` (which may look at everything), removes
 * the batch and returns true. Call again until false. If the results do not fit into `results` together, the longest are
 * replaced by errors; if not even those fit or memory is short, buf_status(results) tells. */
typedef void tool_runs_over_fn(void *ctx, const struct tool_run *run);
bool tool_runs_take_batch(struct tool_runs *runs, struct buf *results, tool_runs_over_fn *over, void *ctx);
/* The earliest deadline of a call that runs or waits to be confirmed, or 0. */
uint64_t tool_runs_deadline(const struct tool_runs *runs);
bool tool_runs_open(const struct tool_runs *runs);
bool tool_run_open(const struct tool_run *run); /* not over yet */
const char *tool_run_state_name(enum tool_run_state state); /* lower-case, as in the journal and in frames */
#endif
