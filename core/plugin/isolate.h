/* isolate - plugins that live in processes of their own ("runners", runner.h): starts and watches them, and makes them look
 * like any other plugin to the registry.
 *
 * A plugin's file is copied into memory and sealed, so nothing that happens to the file reaches a running process; each
 * copy is a generation. A runner is started for it at once; what it registers is registered here, with functions that send
 * a message. A newer generation takes the place of the older one for whoever looks a tool up from then on; the older one
 * goes on for those that hold its tools (registry.h), and ends for good with the last of them. Hooks belong to no
 * conversation: the newest generation is asked.
 *
 * How many there are: ISOLATE_MAX_OLD replaced generations of a plugin have a process while they wait for calls. Beyond, the
 * oldest is ended once it has nothing to do, and started again, without what it knew, when it is called. What the registry
 * can hold in all bounds the generations that ever worked; then newer ones are refused until a restart.
 *
 * What a runner does wrong ends in its death, by itself or by SIGKILL: a call that is not finished ISOLATE_GRACE_MS after its
 * deadline, more memory than it may have, a flood of output, a broken protocol. All calls that it had are answered with an
 * error, one line is logged, and a new one is started: the first time at once, then after 250 ms, doubled each time up to a
 * minute, until one has lived for a minute.
 *
 * Threads: "plugins" owns all runners; two "plugin-io" workers do for runners what may block. Functions here: [main]
 * unless stated otherwise. */
#ifndef PLUGIN_ISOLATE_H
#define PLUGIN_ISOLATE_H
#include "plugin/registry.h"

#define ISOLATE_MAX_CALLS   1000              /* of one generation under way; more: EBUSY */
#define ISOLATE_MAX_QUEUE   ((size_t)8 << 20) /* bytes that wait until a runner reads them; more: EBUSY */
#define ISOLATE_GRACE_MS    500
#define ISOLATE_START_MS    15000 /* for init() and self_test() */
#define ISOLATE_END_MS      1500  /* for shutdown() */
#define ISOLATE_MAX_OLD     4     /* replaced generations of a plugin with a process although nothing is to do */
#define ISOLATE_HEALTHY_MS  60000 /* of life, until earlier deaths are forgotten */
#define ISOLATE_MAX_RETRY_MS 60000
#define ISOLATE_MEMORY      ((uint64_t)1 << 30) /* bytes of address space, unless options say otherwise */
#define ISOLATE_MAX_IMAGE   ((off_t)256 << 20)  /* bytes of a shared object */
/* Of output, log lines and progress within ten seconds; more is a flood. */
#define ISOLATE_MAX_OUTPUT   ((size_t)1 << 20)
#define ISOLATE_MAX_MESSAGES 20000
#define ISOLATE_CALL_MESSAGES 16 /* that belong to each call and check that it finishes, and do not count */
#define ISOLATE_MAX_LINES    50  /* log lines within ten seconds; more are dropped and counted */

enum isolate_state { ISOLATE_STARTING, ISOLATE_OK, ISOLATE_BACKING_OFF, ISOLATE_IDLE, ISOLATE_BROKEN };
struct isolate_report {
    const char *name, *version;
    enum isolate_state state;
    const char *reason;      /* of BACKING_OFF and BROKEN, else "" */
    const char *refused;     /* why a newer file was not taken, "" if there is none */
    int pid;                 /* 0: no process */
    unsigned generation;     /* from 1 */
    unsigned restarts;       /* of this generation */
    uint64_t retry_in_ms;    /* of BACKING_OFF */
};

struct isolate;
struct isolate_options {
    const char *program; /* borrowed: started as `program runner`, which must call runner_main() */
    struct registry *registry;             /* borrowed */
    const struct host_services *services;  /* copied; what runners may ask for */
    /* Configuration of a plugin; on the "plugins" thread. While isolate_load() waits, that is as good as [main]. */
    registry_config_fn *config;
    void *config_ctx;
};
enum antiphon_status isolate_new(const struct isolate_options *options, struct isolate **isolate,
                                 struct err *err) MUST_CHECK;
/* Tells all runners to end, waits for them, answers the calls that are left. */
void isolate_stop(struct isolate *isolate);
/* After isolate_stop(), the registry and the HTTP client are gone. */
void isolate_free(struct isolate *isolate);

struct isolate_limits {
    uint64_t memory; /* bytes; 0: ISOLATE_MEMORY */
};
/* One thread at a time, any one. Finds, checks and starts the plugin and waits until it is registered. err is one line as registry_load()'s, with the
 * steps sandbox and self_test besides. One that fails leaves a report with state BROKEN behind. A plugin that is there
 * already is replaced. */
enum antiphon_status isolate_load(struct isolate *isolate, const char *const *dirs, const char *name,
                                  const struct isolate_limits *limits, struct err *err) MUST_CHECK;

typedef void isolate_each_fn(void *ctx, const struct isolate_report *report);
/* Any thread. The newest generation of each plugin that ever worked, else the newest; sorted by name. fn() must not call
 * anything here. */
void isolate_each(struct isolate *isolate, isolate_each_fn *fn, void *ctx);
const char *isolate_state_name(enum isolate_state state); /* such as "backing off" */
#endif
