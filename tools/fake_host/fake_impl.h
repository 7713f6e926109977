/* fake_impl - what the files of the fake host share. */
#ifndef FAKE_HOST_FAKE_IMPL_H
#define FAKE_HOST_FAKE_IMPL_H
#include <antiphon/fake_host.h>
#include <pthread.h>

#define MAX_TOOLS  256
#define MAX_HOOKS  32
#define MAX_TIMERS 1000
#define MAX_JSON   ((size_t)64 << 10)
#define MAX_RESULT ((size_t)1 << 20)

/* Text that grows. Without memory the process ends: it is a test. */
struct text {
    char *data; /* owned; never NULL after text_init() */
    size_t len, cap;
};
void text_init(struct text *text);
void text_free(struct text *text);
void text_add(struct text *text, const char *data, size_t len);
void text_puts(struct text *text, const char *data);
void text_printf(struct text *text, const char *fmt, ...) ANTIPHON_PRINTF(2, 3);
void *fake_alloc(size_t size); /* zeroed */
char *fake_copy(const char *text); /* NULL stays NULL */

/* fake_json.c: whether it is one JSON value, of whatever kind or an object. */
bool fake_is_json(const char *text, size_t len);
bool fake_is_object(const char *text, size_t len);

struct fake_call {
    struct antiphon_call call; /* first: what the plugin sees */
    struct fake_call *next;
    struct antiphon_fake *fake;
    unsigned number;
    const struct antiphon_tool *tool;
    char *texts[6];
    char *receipt;
    struct text result_text, progress;
    struct antiphon_fake_result result;
    unsigned cancel_at, asked;
    bool finished, cancelled, refused; /* refused: invoke() answered an error */
};

struct fake_answer {
    struct fake_answer *next;
    char *method, *url, *headers, *body, *error;
    enum antiphon_status status;
    int http_status;
};

struct fake_request { /* answered, but not yet told */
    struct fake_request *next;
    struct fake_answer *answer; /* owned */
    antiphon_http_part_fn *part;
    antiphon_http_done_fn *done;
    void *ctx;
};

struct fake_row {
    struct fake_row *next;
    char *user, *key, *value;
    size_t len;
    int64_t updated_ms;
};

struct fake_kept {
    struct fake_kept *next;
    char *text;
};

struct fake_timer {
    uint64_t due_ms, number;
    antiphon_timer_fn *fn;
    void *ctx;
};

struct antiphon_fake {
    struct antiphon_host host;
    const struct antiphon_plugin *plugin;
    void *state;
    char why[512];
    enum antiphon_status status;
    pthread_mutex_t lock;   /* all below */
    pthread_cond_t changed;
    bool in_init;
    pthread_t opener;
    struct antiphon_tool tools[MAX_TOOLS];
    struct antiphon_hook hooks[MAX_HOOKS];
    size_t n_tools, n_hooks;
    struct fake_kept *kept; /* owned: texts of set_tools() */
    uint64_t now_ms, tick_ms, timeout_ms;
    enum antiphon_status store_status, notify_status, receipt_status, timer_status; /* not OK: broken */
    int64_t wall_ms;
    uint32_t call_flags;
    char *app, *user, *session, *agent;
    struct fake_call *calls; /* owned, newest first */
    unsigned n_calls, cancel_at;
    struct antiphon_fake_verdict verdict;
    struct text verdict_text;
    struct antiphon_check *check; /* the one that is being asked */
    bool decided;
    struct fake_answer *answers; /* owned, oldest first */
    struct fake_request *due, **due_last; /* owned */
    bool hold, stop;
    pthread_t http_thread;
    unsigned n_requests, faults_n;
    struct fake_row *rows, *states; /* owned */
    struct fake_timer timers[MAX_TIMERS];
    size_t n_timers;
    uint64_t last_timer;
    struct text faults, log, requests, published, notices, listing;
};

static inline struct antiphon_fake *fake_of(const struct antiphon_host *h)
{
    return (struct antiphon_fake *)h->impl;
}

/* With or without the lock: one line. */
void fake_fault(struct antiphon_fake *fake, const char *fmt, ...) ANTIPHON_PRINTF(2, 3);

/* fake_call.c, fake_http.c, fake_data.c: their functions of the host's table, and their part of the end. */
void fake_call_table(struct antiphon_host *host);
void fake_call_free(struct antiphon_fake *fake);
void fake_http_table(struct antiphon_host *host);
void fake_http_start(struct antiphon_fake *fake);
void fake_http_stop(struct antiphon_fake *fake);
void fake_data_table(struct antiphon_host *host);
void fake_data_free(struct antiphon_fake *fake);
#endif
