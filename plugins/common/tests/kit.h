/* kit - a host for one plugin that is linked into the test, with time, stored data and answers in
 * the test's hands. It holds the plugin to the contract: one finish() a call, one decide() a check,
 * valid JSON, rows of text. What is stored outlives kit_stop(), as it outlives a server. One
 * thread. */
#ifndef PLUGINS_COMMON_TESTS_KIT_H
#define PLUGINS_COMMON_TESTS_KIT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>

#include "antiphon/plugin.h"

#define KIT_MAX 64 /* tools, hooks, timers, notices, lines of the log */

struct kit_row {
    char *user_id, *key, *value; /* owned; user_id "" for nobody */
    int64_t updated_ms;
};

struct kit {
    struct antiphon_host host;
    const struct antiphon_plugin *plugin;
    void *state;
    char why[256]; /* of init() */
    struct antiphon_tool tools[KIT_MAX];
    struct antiphon_hook hooks[KIT_MAX];
    size_t tools_n, hooks_n;

    uint64_t now_ms, now_step; /* each look at the clock finds it now_step later */
    int64_t wall_ms;
    struct kit_timer {
        uint64_t id, at_ms;
        antiphon_timer_fn *fn;
        void *ctx;
    } timers[KIT_MAX];
    size_t timers_n;
    uint64_t last_timer;

    /* Who calls; the test may change them. */
    const char *user_id, *session_id;
    uint32_t call_flags;

    int finished, decided; /* of the last call or check */
    enum antiphon_status status;
    enum antiphon_verdict verdict;
    char *text;    /* what finish() or decide() gave; owned */
    cJSON *json;   /* the same if it is JSON; owned */
    char *receipt; /* owned; NULL: none was left */
    cJSON *values; /* the conversation's state; owned */

    struct kit_row *rows; /* owned, ordered by user and key */
    size_t rows_n;
    /* What the host answers instead of doing it; OK: it does. */
    enum antiphon_status store_status, notify_status, receipt_status;
    struct kit_notice {
        char user_id[64], session_id[64], text[4200];
    } notices[KIT_MAX];
    size_t notices_n;
    char log[KIT_MAX][256];
    size_t log_n;
};

void kit_open(struct kit *kit); /* without data */
void kit_close(struct kit *kit);
/* init() and shutdown(). A plugin can be started again. */
enum antiphon_status kit_start(struct kit *kit, const char *config);
void kit_stop(struct kit *kit);

/* Runs a call to its end. Members of the JSON answer are looked at with kit_get(). */
enum antiphon_status kit_call(struct kit *kit, const char *tool, const char *args, ...)
    ANTIPHON_PRINTF(3, 4);
enum antiphon_status kit_undo(struct kit *kit, const char *tool, const char *receipt);
const char *kit_get(const struct kit *kit, const char *member); /* text; NULL: none of that name */
int kit_count(const struct kit *kit, const char *member);       /* of an array; -1: it is none */

/* Asks the hooks of a point in turn; what the first with an opinion says. */
enum antiphon_verdict kit_check(struct kit *kit, enum antiphon_hook_point point, const char *tool,
                                const char *text);
/* Time passes; timers are called when they are due. */
void kit_advance(struct kit *kit, uint64_t ms);
#endif
