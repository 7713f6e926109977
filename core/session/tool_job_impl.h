/* tool_job_impl - what tool_job.c and tool_undo.c share. Not for anybody else. */
#ifndef SESSION_TOOL_JOB_IMPL_H
#define SESSION_TOOL_JOB_IMPL_H
#include <pthread.h>
#include <stdatomic.h>

#include "session/tool_job.h"

struct tool_job {
    struct antiphon_call call; /* first: the plugin's view */
    struct pool_job pool;
    struct runtime *runtime;   /* borrowed */
    const struct registry_tool *tool; /* held until the job is over; its memory stays valid */
    tool_result_fn *on_result;
    unsigned shard;
    uint64_t session, number;
    uint64_t since_us;         /* made */
    atomic_bool finished, cancelled, running;
    atomic_bool done;          /* what follows is known */
    atomic_bool undoing;       /* somebody saw to it */
    enum antiphon_status status;
    pthread_mutex_t mutex;     /* guards receipt until done, and what is shown */
    char *receipt;             /* owned; NULL: none */
    uint64_t shown_ms;         /* under mutex, as shown and hidden: when the second began */
    unsigned shown;            /* in this second */
    bool hidden;               /* something was left out, and that was said */
    bool undo;                 /* this is a call of undo(); with: */
    struct tool_job *next;     /* under the lock of those that run */
    uint64_t undo_number, alarm;
    bool late;
    const char *row;           /* of the journal; in texts */
    bool over;                 /* nobody refers to it any more */
    atomic_uint refs;          /* the session, the worker until invoke() returned, the finish() that is due */
    char *texts;               /* owned: all texts of call */
    struct tool_state *state;  /* a reference, until the call is over; NULL: none */
    struct buf delta;          /* what it has changed of it; under the state's lock */
};

/* tool_job.c */
struct tool_job *tool_job_new(struct runtime *runtime, const struct tool_job_options *options,
                              tool_result_fn *on_result); /* NULL: no memory */
void tool_job_free(struct tool_job *job); /* one that was never handed out */
void tool_job_unref(struct tool_job *job);
enum antiphon_status tool_job_submit(struct tool_job *job) MUST_CHECK; /* to the pool; it is open until it has finished */
void tool_job_send(struct tool_job *job, struct tool_result *result); /* takes result over */
/* Puts it down under the call's row. */
void tool_job_journal(const struct tool_job *job, const struct store_call *call);
/* True: the phase is OPEN, and stays so until tool_jobs_leave(). */
bool tool_jobs_enter(void);
void tool_jobs_leave(void);

/* tool_undo.c */
/* Once, and only if there is something to undo. */
struct tool_job *tool_undo_take(struct tool_job *job);
/* undo() has finished. */
void tool_undo_over(struct tool_job *undo, enum antiphon_status status, const char *text, size_t len);
#endif
