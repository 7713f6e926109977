/* get - one page from its address: redirects, robots.txt, limits and kinds of content. Worker
 * threads. */
#ifndef WEB_FETCH_GET_H
#define WEB_FETCH_GET_H
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "antiphon/plugin.h"

#define GET_MAX_WHY 400
#define GET_ROBOTS  16 /* sites whose robots.txt is remembered; the oldest is forgotten */

struct get_robots {
    char *origin, *text; /* owned; text NULL: nothing may be read */
    size_t len;
    uint64_t until_ms;
};

struct get {
    const struct antiphon_host *h; /* borrowed */
    const char *agent; /* User-Agent; its product is what robots.txt is asked for; borrowed */
    uint32_t timeout_ms, max_bytes;
    bool robots, allow_private;
    pthread_mutex_t lock;
    struct get_robots known[GET_ROBOTS]; /* under lock; see get_close() */
    unsigned next;
};

enum get_kind { GET_HTML, GET_TEXT };

struct got {
    char *url;  /* where it was found in the end; owned */
    char *body; /* UTF-8, NUL-terminated; owned */
    size_t len;
    enum get_kind kind;
};

void get_open(struct get *get);
void get_close(struct get *get);
/* `url` is clean (address.h). On failure `why` is a sentence for the model. */
enum antiphon_status get_page(struct get *get, const struct antiphon_call *call, const char *url,
                              struct got *got, char why[GET_MAX_WHY]);
void got_free(struct got *got);
#endif
