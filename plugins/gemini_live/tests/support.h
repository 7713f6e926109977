/* support - what the tests of this plugin share: events kept for inspection, and a host that
 * records what it is asked and does nothing by itself. One thread. */
#ifndef GEMINI_TESTS_SUPPORT_H
#define GEMINI_TESTS_SUPPORT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "antiphon/plugin.h"

#define SINK 77u

/* Events with their texts copied. */
struct seen {
    struct antiphon_event events[512];
    size_t n;
};
void seen_add(void *seen, const struct antiphon_event *event); /* a decode_emit_fn */
void seen_clear(struct seen *seen);
/* One line an event: "TEXT 'hello' thought". Audio as "AUDIO 24000 b64 480" (bytes of the span).
 * Owned by the caller. */
char *seen_print(const struct seen *seen);
const char *seen_data(const struct antiphon_event *event); /* NUL-terminated */

struct fake_http {
    char *method, *url, *body, *headers; /* headers: "name: value\n..." */
    uint32_t flags, timeout_ms;
    antiphon_http_done_fn *done; /* NULL once answered */
    void *ctx;
};
struct fake_host {
    struct antiphon_host host;
    struct seen seen;
    char *sent[64]; /* whole messages */
    enum antiphon_ws_kind kinds[64];
    size_t sent_n;
    char *url, *headers;
    uint32_t resolve_ms, connect_ms, max_message;
    const struct antiphon_ws_handlers *handlers;
    void *ws_ctx;
    bool ws_live;
    int opens, closes, close_code;
    enum antiphon_status open_status, send_status, http_status;
    struct fake_http http[16];
    size_t http_n;
    antiphon_sink wakes[64];
    size_t wakes_n;
    uint64_t now_ms;
    struct antiphon_model model;
    bool has_model;
    char logged[1024];
    /* Called within emit(), as the host may. */
    void (*on_emit)(struct fake_host *fake, const struct antiphon_event *event);
    void *conn;
};
void fake_init(struct fake_host *fake);
void fake_deinit(struct fake_host *fake);
void fake_opened(struct fake_host *fake);
void fake_message(struct fake_host *fake, const char *json);
void fake_ended(struct fake_host *fake, enum antiphon_ws_stage stage, enum antiphon_status status,
                int code, int http, const char *reason);
/* Answers request i. */
void fake_answer(struct fake_host *fake, size_t i, int http, const char *headers, const char *body);
void fake_fail(struct fake_host *fake, size_t i, enum antiphon_status status);
/* The only event of that type, or NULL. */
const struct antiphon_event *fake_event(const struct fake_host *fake,
                                        enum antiphon_event_type type);

char *read_file(const char *path); /* owned by the caller; fails the test if it is not there */
/* The merged profile of a model, as the host computes it; owned by the caller. */
cJSON *profile_of(const char *backend, const char *model);
/* Equal as JSON, whatever the layout and the order of members. */
void assert_same_json(const char *got, const char *wanted, const char *what);
#endif
