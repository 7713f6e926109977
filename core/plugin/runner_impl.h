/* runner_impl - what the files runner*.c share. Not for anybody else. */
#ifndef PLUGIN_RUNNER_IMPL_H
#define PLUGIN_RUNNER_IMPL_H
#include <pthread.h>

#include "base/alarm.h"
#include "base/pool.h"
#include "plugin/registry.h"
#include "plugin/runner.h"
#include "plugin/runner_wire.h"

struct runner_call;
struct runner_request;

struct runner {
    struct registry *registry; /* owned; [load] until READY, then immutable */
    struct pool *calls_pool, *events_pool;
    struct alarms *alarms;
    uint64_t memory;
    pthread_mutex_t send_lock;
    struct buf wire; /* under send_lock */
    pthread_mutex_t tools_lock; /* one list of tools at a time */
    bool told;                  /* under tools_lock: the first one was */
    pthread_mutex_t lock;
    pthread_cond_t answered; /* a request was */
    /* below: under lock */
    struct runner_request *requests;
    struct runner_call *calls;
    uint64_t last_request;
    bool loaded; /* [load] has done its part */
};

/* runner_link.c */
/* Any thread; blocks while the server does not read. EINVAL, ETOOBIG: the message cannot be sent. */
enum antiphon_status runner_send(struct runner *runner, const struct runner_message *message);
/* One whole message into *message, whose texts point into wire. Ends the process when the server is gone. */
void runner_receive(struct buf *wire, struct runner_message *message);

/* runner_request.c */
struct runner_row {
    struct runner_row *next;
    int64_t updated_ms;
    char *key, *value;
    size_t len;
};
struct runner_answer {
    enum antiphon_status status;
    char *data; /* owned by the caller; NULL: absent; a NUL follows */
    size_t len;
    struct runner_row *rows; /* owned by the caller */
};
/* Sends the message as a request and waits for its answer; message->number is filled in. */
enum antiphon_status runner_ask(struct runner *runner, struct runner_message *message, struct runner_answer *answer);
void runner_answer_deinit(struct runner_answer *answer);
enum antiphon_status runner_http(struct runner *runner, const struct antiphon_http_request *request,
                                 antiphon_http_done_fn *done, void *done_ctx);
/* [main] ANSWER, CONFIG, ROW, HTTP_PART and HTTP_DONE. */
void runner_on_answer(struct runner *runner, const struct runner_message *message);
void runner_on_row(struct runner *runner, const struct runner_message *message);
void runner_on_http_done(struct runner *runner, const struct runner_message *message);
void runner_on_http_part(struct runner *runner, const struct runner_message *message);

/* runner_call.c; [main] */
void runner_on_call(struct runner *runner, const struct runner_message *message);
void runner_on_cancel(struct runner *runner, const struct runner_message *message);
/* [any] Behind finish(), progress() and cancelled(). */
void runner_finish(struct runner *runner, struct antiphon_call *call, enum antiphon_status status, const char *text,
                   size_t len);
bool runner_cancelled(const struct antiphon_call *call);
uint64_t runner_call_number(const struct antiphon_call *call);

/* runner_check.c */
void runner_on_check(struct runner *runner, const struct runner_message *message); /* [main] */
void runner_decide(struct runner *runner, struct antiphon_check *check, enum antiphon_verdict verdict,
                   const char *text, size_t len);

/* runner.c; any thread that may block: tells the server what tools there are now. */
void runner_tools_changed(struct runner *runner);

/* runner_services.c */
void runner_services(struct runner *runner, struct host_services *services);

/* A copy of the texts of a message in one piece of memory; NULL: no memory. */
char *runner_copy_texts(const struct runner_message *message, unsigned texts, struct runner_text *copies);
/* Says it in the server's log under the plugin's name. */
void runner_complain(struct runner *runner, const char *text);
#endif
