/* antiphon/fake_host.h - a host for unit tests of plugins: no server, no network, no clock but its own. Link with
 * antiphon_fake (pkg-config antiphon-fake; CMake antiphon::fake); it needs nothing but libc and threads.
 *
 *     struct antiphon_fake *fake = antiphon_fake_open(antiphon_plugin_v1(), "{}");
 *     assert(antiphon_fake_status(fake) == ANTIPHON_OK);
 *     const struct antiphon_fake_result *result = antiphon_fake_run(fake, "say_hello", "{\"name\":\"Ann\"}");
 *     assert(result->status == ANTIPHON_OK && strstr(result->text, "Ann"));
 *     assert(antiphon_fake_close(fake) == 0);
 *
 * It gives arguments and configuration to the plugin as they are: defaults and checks against the schemas are the real
 * host's. All texts it answers are its own and NUL-terminated; those of a result are good until antiphon_fake_close(),
 * all others until the next call of any function here. One thread tests; the plugin may use threads of its own. Whatever breaks a rule of antiphon/plugin.h is noted as a fault. */
#ifndef ANTIPHON_FAKE_HOST_H
#define ANTIPHON_FAKE_HOST_H

#include <antiphon/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

struct antiphon_fake;

/* ---- life --------------------------------------------------------------------------------------- */

/* Calls init(). NULL only without memory; ask antiphon_fake_status() whether init() failed. */
struct antiphon_fake *antiphon_fake_open(const struct antiphon_plugin *plugin, const char *config);
/* What init() answered, or EINVAL if it registered something impossible. */
enum antiphon_status antiphon_fake_status(const struct antiphon_fake *fake);
const char *antiphon_fake_why(const struct antiphon_fake *fake); /* init()'s reason, "" if none */
/* Calls shutdown(). Returns the number of faults, which were printed to stderr; a call that was never finished is one. */
int antiphon_fake_close(struct antiphon_fake *fake);
/* One line a fault so far, "" if none. */
const char *antiphon_fake_faults(struct antiphon_fake *fake);
/* One line a log entry, "warn: text". */
const char *antiphon_fake_log(struct antiphon_fake *fake);
const struct antiphon_host *antiphon_fake_host(const struct antiphon_fake *fake);
/* As registered; NULL: no such tool, no such hook. */
const struct antiphon_tool *antiphon_fake_tool(const struct antiphon_fake *fake, const char *name);
const struct antiphon_hook *antiphon_fake_hook(const struct antiphon_fake *fake, const char *name);
/* shutdown() and init() again, as when the server is restarted: timers and what was registered are gone, what is stored
 * stays. Ask antiphon_fake_status() again. */
void antiphon_fake_restart(struct antiphon_fake *fake, const char *config);
/* From now on the host functions "store" (all three), "notify", "receipt" or "timer_start" answer this and do nothing;
 * OK: they work again. */
void antiphon_fake_break(struct antiphon_fake *fake, const char *function, enum antiphon_status status);

/* ---- time --------------------------------------------------------------------------------------- */

/* Both clocks stand still; now_ms() begins at 1,000,000, wall_ms() at 2026-01-01 00:00:00 UTC. */
void antiphon_fake_set_wall(struct antiphon_fake *fake, int64_t ms);
/* Every look at now_ms() moves it on by so much; 0: it stands still again. */
void antiphon_fake_set_tick(struct antiphon_fake *fake, uint64_t ms);
/* Moves both on. Timers that come due are called on this thread, in their order, each at its own time. */
void antiphon_fake_advance(struct antiphon_fake *fake, uint64_t ms);

/* ---- calls -------------------------------------------------------------------------------------- */

struct antiphon_fake_result {
    enum antiphon_status status; /* of finish(), or what invoke() answered */
    const char *text;            /* "" if none */
    size_t len;
    const char *receipt;         /* NULL: none */
    const char *progress;        /* one line each, "" if none */
};

/* Who calls from now on; NULL keeps what it is. At first "user", "session", "agent" of the app "app". */
void antiphon_fake_as(struct antiphon_fake *fake, const char *user_id, const char *session_id, const char *agent);
/* ANTIPHON_CALL_* of the calls from now on; timeout_ms (0: 30 s) gives their deadline. */
void antiphon_fake_set_call(struct antiphon_fake *fake, uint32_t flags, uint64_t timeout_ms);
/* Starts a call, returns its number (1, 2, ...; its call_id is "call-1"), 0 if there is no such tool. */
unsigned antiphon_fake_start(struct antiphon_fake *fake, const char *tool, const char *args);
/* Waits at most 10 s of real time for its finish(); not finished by then: status ETIMEOUT and a fault. */
const struct antiphon_fake_result *antiphon_fake_wait(struct antiphon_fake *fake, unsigned call);
/* Both. Of a tool that does not exist: ENOTFOUND. */
const struct antiphon_fake_result *antiphon_fake_run(struct antiphon_fake *fake, const char *tool, const char *args);
bool antiphon_fake_finished(struct antiphon_fake *fake, unsigned call);
/* cancelled() is true from now on, and cancel() is called if there is one. */
void antiphon_fake_cancel(struct antiphon_fake *fake, unsigned call);
/* The next call that is started is cancelled when it asks cancelled() for the n-th time (1: the first). */
void antiphon_fake_cancel_at(struct antiphon_fake *fake, unsigned n);
/* undo() of that call with its receipt; the result of the undoing. ENOTFOUND: no receipt, or no undo(). */
const struct antiphon_fake_result *antiphon_fake_undo(struct antiphon_fake *fake, unsigned call);

/* ---- hooks -------------------------------------------------------------------------------------- */

struct antiphon_fake_verdict {
    enum antiphon_verdict verdict;
    const char *text; /* of the verdict, "" if none */
    const char *hook; /* whose it is; NULL: all passed */
};
/* Asks all hooks of that point in order, as the host does. tool and args may be NULL. */
const struct antiphon_fake_verdict *antiphon_fake_ask(struct antiphon_fake *fake, enum antiphon_hook_point point,
                                                      const char *tool, const char *args, const char *text);

/* ---- HTTP --------------------------------------------------------------------------------------- */

/* The next request of that method (NULL: any) whose URL begins so is answered like this, once; several wait in order.
 * What nobody scripted is answered with EUNAVAILABLE. headers NULL: none. */
void antiphon_fake_answer(struct antiphon_fake *fake, const char *method, const char *url, int http_status,
                          const char *headers, const char *body);
/* The same, but no answer arrives. */
void antiphon_fake_fail(struct antiphon_fake *fake, const char *method, const char *url, enum antiphon_status status,
                        const char *error);
/* true: answers wait (and so does http_wait(), until its call is cancelled) until false. */
void antiphon_fake_hold(struct antiphon_fake *fake, bool hold);
/* All requests so far, each "METHOD URL\nName: value\n\nbody\n"; secrets as {{secret:KEY}}. */
const char *antiphon_fake_requests(struct antiphon_fake *fake);
unsigned antiphon_fake_request_count(struct antiphon_fake *fake);

/* ---- what it keeps and says --------------------------------------------------------------------- */

void antiphon_fake_set_state(struct antiphon_fake *fake, const char *key, const char *json);
const char *antiphon_fake_state(struct antiphon_fake *fake, const char *key); /* NULL: not set */
/* user_id NULL: nobody's. */
void antiphon_fake_put(struct antiphon_fake *fake, const char *user_id, const char *key, const char *value);
const char *antiphon_fake_get(struct antiphon_fake *fake, const char *user_id, const char *key); /* NULL: none */
/* All rows, one line each: "user key value"; nobody's begin with the blank. */
const char *antiphon_fake_rows(struct antiphon_fake *fake);
/* One line each, oldest first: "name json" and "text". */
const char *antiphon_fake_published(struct antiphon_fake *fake);
const char *antiphon_fake_notices(struct antiphon_fake *fake);

#ifdef __cplusplus
}
#endif
#endif
