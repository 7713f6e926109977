/* kit - antiphon/fake_host.h with less to write: arguments as a format, answers as JSON. One
 * thread. */
#ifndef PLUGINS_COMMON_TESTS_KIT_H
#define PLUGINS_COMMON_TESTS_KIT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>

#include "antiphon/fake_host.h"

/* The kit's clock stands at 2026-03-01 08:30:00 UTC, a Sunday. */
#define KIT_WALL_MS 1772353800000

struct kit {
    struct antiphon_fake *fake; /* owned */
    unsigned call;              /* the last one's number */
    const char *text;           /* its answer, or the last verdict's text; borrowed */
    const char *receipt;        /* NULL: none was left; borrowed */
    cJSON *json;                /* the answer if it is JSON; owned */
    int64_t wall_ms;            /* what the wall clock shows */
};

/* init() with that configuration must succeed. */
void kit_open(struct kit *kit, const char *config);
void kit_close(struct kit *kit); /* without a fault */
/* Time passes while the server is down, then it is started again. */
void kit_restart(struct kit *kit, const char *config, int64_t down_ms);
void kit_advance(struct kit *kit,
                 uint64_t ms); /* time passes; timers are called when they are due */

/* Runs a call to its end. */
enum antiphon_status kit_call(struct kit *kit, const char *tool, const char *args, ...)
    ANTIPHON_PRINTF(3, 4);
enum antiphon_status kit_undo(struct kit *kit, unsigned call);
const char *kit_get(const struct kit *kit, const char *member); /* text; NULL: none of that name */
int kit_count(const struct kit *kit, const char *member);       /* of an array; -1: it is none */
/* Asks the hooks of a point in turn. */
enum antiphon_verdict kit_check(struct kit *kit, enum antiphon_hook_point point, const char *tool,
                                const char *text);

int kit_rows(struct kit *kit);                      /* stored, of all users */
int kit_notices(struct kit *kit);                   /* taken so far */
bool kit_said(struct kit *kit, const char *text);   /* one of them has it */
bool kit_logged(struct kit *kit, const char *line); /* the log has it */
#endif
