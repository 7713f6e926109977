/* isolate_impl - what the files isolate*.c share. Not for anybody else. */
#ifndef PLUGIN_ISOLATE_IMPL_H
#define PLUGIN_ISOLATE_IMPL_H
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/pool.h"
#include "plugin/host.h"
#include "plugin/isolate.h"
#include "plugin/runner_wire.h"

/* A call or a check that a runner has. */
struct isolate_work {
    struct isolate_work *next;
    uint64_t number, deadline_ms;
    struct antiphon_call *call;   /* or */
    struct antiphon_check *check;
    const struct antiphon_hook *hook; /* of the check */
    bool sent;
};
struct isolate_packet {
    struct isolate_packet *next;
    size_t len;
    char data[];
};
struct isolate_tool {
    struct antiphon_tool tool;
    char *texts; /* owned: all its texts */
};
struct isolate_hook {
    struct antiphon_hook hook;
    char *texts; /* owned */
};

enum isolate_fd { ISOLATE_SOCKET, ISOLATE_EXIT, ISOLATE_OUTPUT, ISOLATE_FDS };
struct isolate_gen;
struct isolate_source { /* what an epoll event is about */
    struct isolate_gen *gen;
    enum isolate_fd what;
    int fd; /* -1: none */
};

struct isolate_gen {
    struct isolate_gen *next; /* under the isolate's lock */
    struct isolate *isolate;  /* borrowed */
    char *name, *version, *permissions; /* owned; version and permissions may be NULL */
    int image;                          /* owned: the sealed copy */
    uint64_t memory;
    unsigned number;
    struct manifest *manifest;          /* owned until `registered`, then the registry's */
    struct secrets *secrets;            /* owned; filled in by host */
    struct host *host;                  /* owned: does for the runner what it asks for */
    struct antiphon_plugin plugin;      /* what stands in the registry */
    char *config;                       /* owned, wiped; what the runner was given */
    struct isolate_tool *tools;         /* owned; HOST_MAX_TOOLS */
    struct isolate_hook *hooks;         /* owned; HOST_MAX_HOOKS */
    size_t n_tools, n_hooks;
    bool registered;                    /* written by [plugins] before anybody else sees the gen's tools */
    bool waited;                        /* under the isolate's lock: isolate_load() looks at it */
    atomic_uint requests;               /* what others do for it, and tell it when it is done */

    pthread_mutex_t lock;
    /* below: under lock */
    enum isolate_state state;
    bool retired;                 /* a newer one has taken its place */
    bool ended;                   /* nothing will be started any more */
    unsigned incarnation;         /* of the runner; answers to an earlier one are dropped */
    struct isolate_work *work;    /* owned */
    unsigned n_work;
    uint64_t last_number, retry_ms;
    struct isolate_packet *out, **out_last; /* owned */
    size_t out_bytes;
    struct buf wire;              /* for encoding */
    struct err why;               /* what the last runner died of, or why it did not start */
    unsigned restarts;
    int pid;                      /* 0: none */
    const char *starved;          /* why the runner was ended, if what it has to be told could not be sent */

    /* below: [plugins] */
    struct isolate_source source[ISOLATE_FDS];
    struct buf in;
    uint64_t started_ms, ready_ms, window_ms, lost_ms; /* lost: the socket ended */
    unsigned deaths;
    bool killed, asked_to_end;
    bool said;                    /* why_killed is "STEP: REASON" */
    char why_killed[ERR_MAX_TEXT];
    size_t output_bytes;
    unsigned messages, lines, lines_dropped;
    char last_words[200];
    size_t last_words_len;
    uint64_t cpu_ms, cpu_seen_ms; /* used processor time, and when that was read */
};

struct isolate {
    const char *program;            /* borrowed */
    struct registry *registry;      /* borrowed */
    struct host_services services;
    registry_config_fn *config;
    void *config_ctx;
    struct pool *io;                /* owned */
    pthread_t thread;
    int epoll, wake;
    pthread_mutex_t lock;
    pthread_cond_t changed;         /* a generation was registered or failed */
    /* below: under lock */
    struct isolate_gen *gens;       /* owned; the newest first */
    bool stopping, stopped;
};

/* isolate_gen.c */
enum antiphon_status isolate_gen_new(struct isolate *isolate, const char *const *dirs, const char *name,
                                     uint64_t memory, struct isolate_gen **gen, struct err *err) MUST_CHECK;
/* One that cannot be started at all, for the reports. */
struct isolate_gen *isolate_gen_broken(struct isolate *isolate, const char *name, const struct err *why);
void isolate_gen_free(struct isolate_gen *gen);
/* [plugins] While it starts for the first time. */
void isolate_gen_on_config(struct isolate_gen *gen, const struct runner_message *message);
void isolate_gen_on_tool(struct isolate_gen *gen, const struct runner_message *message);
void isolate_gen_on_hook(struct isolate_gen *gen, const struct runner_message *message);
void isolate_gen_on_ready(struct isolate_gen *gen, const struct runner_message *message);

/* isolate_process.c; [plugins] */
void isolate_start(struct isolate_gen *gen);
/* The first reason counts. */
void isolate_kill(struct isolate_gen *gen, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same with "STEP: REASON" of a start. */
void isolate_fail(struct isolate_gen *gen, const char *fmt, ...) PRINTF_LIKE(2, 3);
void isolate_on_exit(struct isolate_gen *gen);
void isolate_on_output(struct isolate_gen *gen);
/* What is due; answers how soon to look again, ms. crowded: there are enough processes of newer generations. */
int isolate_tick(struct isolate_gen *gen, uint64_t now_ms, bool crowded);
void isolate_ask_to_end(struct isolate_gen *gen);

/* isolate_link.c */
/* With the gen's lock. EBUSY: the queue is full; EUNAVAILABLE: there is no runner. */
enum antiphon_status isolate_send(struct isolate_gen *gen, const struct runner_message *message);
/* Any thread: to that incarnation, or not at all (EUNAVAILABLE). What is lost is logged. */
enum antiphon_status isolate_reply(struct isolate_gen *gen, unsigned incarnation, const struct runner_message *message);
/* [plugins] Counts anew what comes unasked, every ten seconds. */
void isolate_turn_window(struct isolate_gen *gen, uint64_t now_ms);
void isolate_on_socket(struct isolate_gen *gen, uint32_t events); /* [plugins] */
void isolate_drop_queue(struct isolate_gen *gen);                 /* with the gen's lock */
void isolate_wake(struct isolate *isolate);                       /* any thread */

/* isolate_call.c */
enum antiphon_status isolate_call_invoke(void *state, struct antiphon_call *call); /* invoke() and undo() */
void isolate_call_cancel(void *state, struct antiphon_call *call);
typedef enum antiphon_status isolate_check_fn(void *state, struct antiphon_check *check);
isolate_check_fn *isolate_call_hook(size_t index); /* run() of the hook that was registered at that place */
/* [plugins] */
void isolate_call_on_finish(struct isolate_gen *gen, const struct runner_message *message);
void isolate_call_on_progress(struct isolate_gen *gen, const struct runner_message *message);
void isolate_call_on_decide(struct isolate_gen *gen, const struct runner_message *message);
void isolate_call_send_waiting(struct isolate_gen *gen);
/* Answers all that is under way with an error. what, if it is not NULL: what that was, such as "call NAME" or "3 calls". */
void isolate_call_fail_all(struct isolate_gen *gen, const char *why, char *what, size_t size);
struct antiphon_call *isolate_call_find(struct isolate_gen *gen, uint64_t number);

/* isolate_request.c; [plugins] */
void isolate_on_request(struct isolate_gen *gen, const struct runner_message *message);
#endif
