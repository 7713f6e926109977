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
#include "plugin/registry.h"

#define TOOL_RUN_MAX_OPEN 64
#define TOOL_RUN_MAX_RESULT_BYTES (1024u * 1024)

enum tool_run_state { TOOL_REQUESTED, TOOL_RUNNING, TOOL_DONE, TOOL_FAILED, TOOL_CANCELLED };

struct tool_run {
    uint64_t number;      /* ours: rises, never reused in a session */
    uint64_t batch;
    enum tool_run_state state;
    char *id;             /* owned; the model's, or made by us */
    bool local_id;        /* made by us: left out of the answer */
    char *name, *args;    /* owned; args as they came */
    char *response;       /* owned; JSON object, once over */
    uint64_t deadline_ms; /* 0: none */
    void *job;            /* the caller's */
};
struct tool_runs { /* start zeroed */
    struct tool_run run[TOOL_RUN_MAX_OPEN];
    size_t n;
    uint64_t next_number, batch;
};
void tool_runs_deinit(struct tool_runs *runs);
/* One TOOL_CALL event: index 0 begins a batch. id NULL: one is made ("antiphon-" and the number). EEXISTS: the id is open
 * already and nothing happened; EBUSY: TOOL_RUN_MAX_OPEN are open. */
enum antiphon_status tool_runs_add(struct tool_runs *runs, const struct antiphon_event *call,
                                   struct tool_run **run) MUST_CHECK;
struct tool_run *tool_runs_find(struct tool_runs *runs, uint64_t number);      /* NULL: gone */
struct tool_run *tool_runs_find_id(struct tool_runs *runs, const char *id);
void tool_run_start(struct tool_run *run, void *job, uint64_t deadline_ms);
/* The end of a call. status OK: text is a JSON value; objects stay, anything else becomes {"result": value}; not JSON: an error.
 * Other statuses: text is a message, {"error": text}. false: it was over already, nothing happened. */
bool tool_run_finish(struct tool_run *run, enum antiphon_status status, const char *text, size_t len);
bool tool_run_cancel(struct tool_run *run); /* false: it was over already */
/* If a whole batch is over: appends the JSON array for ANTIPHON_EV_TOOL_RESULTS to `results` ([{"id","name","response"}], without the
 * cancelled ones; nothing at all if all were), hands every call to `over` (which may look at state, id, name, response), removes
 * the batch and returns true. Call again until false. */
typedef void tool_runs_over_fn(void *ctx, const struct tool_run *run);
bool tool_runs_take_batch(struct tool_runs *runs, struct buf *results, tool_runs_over_fn *over, void *ctx);
/* The earliest deadline of a running call, or 0. */
uint64_t tool_runs_deadline(const struct tool_runs *runs);
bool tool_runs_open(const struct tool_runs *runs);

/* Checks the arguments of a call: unknown members are dropped, `clean` gets the JSON object for the tool. EINVAL: `why` gets a
 * sentence for the model that says what is missing or wrong and how to call again. */
enum antiphon_status tool_args_check(const struct registry_tool *tool, const char *args, size_t len,
                                     struct buf *clean, struct buf *why) MUST_CHECK;
/* The sentence for a tool that does not exist or is not allowed; names are those that are. */
void tool_unknown_text(const char *name, const char *const *names, size_t n, struct buf *why);
#endif
