/* web - a host for one plugin that is linked into the test, whose HTTP answers the test writes. It
 * holds the plugin to the contract: one finish() a call with JSON or a sentence. A call may be
 * finished from any thread; the rest is one thread. */
#ifndef PLUGINS_COMMON_TESTS_WEB_H
#define PLUGINS_COMMON_TESTS_WEB_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdatomic.h>

#include "antiphon/plugin.h"

#define WEB_MAX 64

struct web_answer {
    enum antiphon_status status;
    int http_status;
    const char *headers; /* "Name: value\r\n..." */
    const char *body;    /* all of it as len says, or up to a NUL with len 0 */
    size_t len;
    const char *error;
};

struct web_asked {
    char *method, *url, *body; /* owned */
    char *headers;             /* owned; "Name: value\n" each */
    uint32_t flags, max_body, timeout_ms;
};

struct web {
    struct antiphon_host host;
    void *state;
    char why[256];
    struct antiphon_tool tools[WEB_MAX]; /* names, descriptions and schemas are copies */
    size_t tools_n;
    /* Answers a request; the test's. */
    struct web_answer (*answer)(struct web *web, const struct web_asked *asked);
    void *ctx; /* the test's */
    struct web_asked asked[WEB_MAX];
    size_t asked_n;
    _Atomic uint64_t now_ms; /* real time is added if `runs` */
    bool runs;
    uint32_t call_flags;
    uint32_t call_ms; /* until the deadline; 0: 30 s */
    atomic_bool cancelled;
    atomic_int timers; /* that were started */

    pthread_mutex_t lock;
    pthread_cond_t ended;
    int finished;
    struct antiphon_call *call;
    enum antiphon_status status;
    char *text, *receipt, *published; /* owned; the last of each */
    cJSON *json;                      /* owned; what the call was answered, if JSON */
    char log[WEB_MAX][256];
    size_t log_n;
};

void web_open(struct web *web, const char *config); /* init() must succeed */
enum antiphon_status web_try(struct web *web, const char *config);
void web_close(struct web *web);
/* Runs a call to its end (args is JSON). */
enum antiphon_status web_call(struct web *web, const char *tool, const char *args);
enum antiphon_status web_undo(struct web *web, const char *tool, const char *receipt);
/* Starts one on a thread of its own, for tests of cancelling; web_end() waits for it. */
void web_begin(struct web *web, const char *tool, const char *args);
void web_cancel(struct web *web);
enum antiphon_status web_end(struct web *web);
const struct antiphon_tool *web_tool(const struct web *web,
                                     const char *name);         /* NULL: not registered */
const char *web_get(const struct web *web, const char *member); /* text of the answer; NULL: none */
bool web_logged(struct web *web, const char *part);
#endif
