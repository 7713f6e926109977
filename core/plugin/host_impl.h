/* host_impl - what the files host*.c share: one file a group of functions of struct antiphon_host. Not for
 * anybody else. */
#ifndef PLUGIN_HOST_IMPL_H
#define PLUGIN_HOST_IMPL_H
#include <pthread.h>
#include <stdatomic.h>

#include "plugin/host.h"
#include "plugin/manifest.h"
#include "plugin/secrets.h"

#define HOST_END_OF(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))

struct host {
    struct antiphon_host table;
    const char *name;                     /* borrowed: the plugin's descriptor */
    const struct host_services *services; /* borrowed: the registry */
    const struct manifest *manifest;      /* borrowed: the registry; NULL: it has none */
    const struct secrets *secrets;        /* borrowed: the registry; NULL: they are filled in elsewhere */
    atomic_bool open;                     /* between host_begin() and host_end() */
    pthread_t opener;                     /* written before open is set */
    struct registry_tool *tools;          /* owned */
    struct registry_model *models;        /* owned */
    struct registry_hook *hooks;          /* owned */
    size_t n_tools, n_models, n_hooks;
    struct err fault;
    host_set_tools_fn *set_tools; /* NULL: tools cannot be changed */
    void *set_tools_ctx;
};

static inline struct host *host_of(const struct antiphon_host *h)
{
    return h->impl;
}

/* host.c: the tool with what it leaves to the manifest */
enum antiphon_status host_take_tool(const struct host *host, const struct antiphon_tool *tool,
                                    struct registry_tool *copy, struct err *err);

/* host_tools.c */
enum antiphon_status host_set_tools(const struct antiphon_host *h, const struct antiphon_tool *const *tools, size_t n);

/* host_call.c */
void host_finish(const struct antiphon_host *h, struct antiphon_call *call, enum antiphon_status status,
                 const char *text, size_t len);
bool host_cancelled(const struct antiphon_host *h, const struct antiphon_call *call);
void host_progress(const struct antiphon_host *h, struct antiphon_call *call, const char *text, size_t len);
enum antiphon_status host_receipt(const struct antiphon_host *h, struct antiphon_call *call, const char *json,
                                  size_t len);
enum antiphon_status host_publish(const struct antiphon_host *h, struct antiphon_call *call, const char *name,
                                  const char *json, size_t len);
enum antiphon_status host_state_get(const struct antiphon_host *h, const struct antiphon_call *call,
                                    const char *key, char *json, size_t size, size_t *len);
enum antiphon_status host_state_set(const struct antiphon_host *h, struct antiphon_call *call, const char *key,
                                    const char *json, size_t len);
void host_decide(const struct antiphon_host *h, struct antiphon_check *check, enum antiphon_verdict verdict,
                 const char *text, size_t len);

/* host_model.c */
void host_emit(const struct antiphon_host *h, antiphon_sink sink, const struct antiphon_event *event);
void host_wake(const struct antiphon_host *h, antiphon_sink sink);
enum antiphon_status host_ws_open(const struct antiphon_host *h, antiphon_sink sink,
                                  const struct antiphon_ws_request *request,
                                  const struct antiphon_ws_handlers *handlers, void *handlers_ctx,
                                  struct antiphon_ws **ws);
enum antiphon_status host_ws_send(const struct antiphon_host *h, struct antiphon_ws *ws,
                                  enum antiphon_ws_kind kind, const struct antiphon_span *parts, size_t n);
void host_ws_close(const struct antiphon_host *h, struct antiphon_ws *ws, int code, const char *reason);

/* host_data.c */
enum antiphon_status host_notify(const struct antiphon_host *h, const struct antiphon_notice *notice);
enum antiphon_status host_store_get(const struct antiphon_host *h, const char *user_id, const char *key,
                                    char *value, size_t size, size_t *len);
enum antiphon_status host_store_put(const struct antiphon_host *h, const char *user_id, const char *key,
                                    const char *value, size_t len);
enum antiphon_status host_store_find(const struct antiphon_host *h, const struct antiphon_store_query *query,
                                     antiphon_row_fn *row, void *ctx);
enum antiphon_status host_timer_start(const struct antiphon_host *h, uint64_t delay_ms, antiphon_timer_fn *fn,
                                      void *ctx, uint64_t *timer);
bool host_timer_cancel(const struct antiphon_host *h, uint64_t timer);

/* host_http.c */
enum antiphon_status host_http(const struct antiphon_host *h, const struct antiphon_http_request *request,
                               antiphon_http_done_fn *done, void *done_ctx);
enum antiphon_status host_http_wait(const struct antiphon_host *h, const struct antiphon_call *call,
                                    const struct antiphon_http_request *request, antiphon_http_done_fn *done,
                                    void *done_ctx);
#endif
