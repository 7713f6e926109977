#include "plugin/host_impl.h"

#include "base/log.h"
#include "plugin/registration.h"
#include "base/banned.h"

void host_emit(const struct antiphon_host *h, antiphon_sink sink,
                      const struct antiphon_event *event)
{
    const struct host *host = host_of(h);
    struct antiphon_event full;

    /* This is the way of every audio frame: nothing is copied for a plugin of our own age. */
    if (event && event->struct_size != sizeof(full)) {
        if (registration_copy(&full, sizeof(full), event, HOST_END_OF(struct antiphon_event, len)))
            event = NULL;
        else
            event = &full;
    }
    if (!event || event->type == 0 || (event->len && !event->data)) {
        log_error(host->name, "emit() of an event without size, type or data was ignored");
        return;
    }
    if (host->services->emit)
        host->services->emit(host->services->ctx, sink, event);
}

void host_wake(const struct antiphon_host *h, antiphon_sink sink)
{
    const struct host_services *services = host_of(h)->services;

    if (services->wake)
        services->wake(services->ctx, sink);
}

enum antiphon_status host_ws_open(const struct antiphon_host *h, antiphon_sink sink,
                                         const struct antiphon_ws_request *request,
                                         const struct antiphon_ws_handlers *handlers,
                                         void *handlers_ctx, struct antiphon_ws **ws)
{
    const struct host *host = host_of(h);
    struct antiphon_ws_request full;
    struct antiphon_ws_handlers table;

    if (registration_copy(&full, sizeof(full), request,
                          HOST_END_OF(struct antiphon_ws_request, headers)) ||
        registration_copy(&table, sizeof(table), handlers,
                          HOST_END_OF(struct antiphon_ws_handlers, on_close)) ||
        !full.url || !table.on_open || !table.on_message || !table.on_close || !ws) {
        log_error(host->name, "ws_open() without size, url, handlers or result was refused");
        return ANTIPHON_EINVAL;
    }
    if (!host->services->ws_open)
        return ANTIPHON_EUNAVAILABLE;
    return host->services->ws_open(host->services->ctx, sink, &full, &table, handlers_ctx, ws);
}

enum antiphon_status host_ws_send(const struct antiphon_host *h, struct antiphon_ws *ws,
                                         enum antiphon_ws_kind kind,
                                         const struct antiphon_span *parts, size_t n)
{
    const struct host_services *services = host_of(h)->services;

    if (!ws || (n && !parts))
        return ANTIPHON_EINVAL;
    return services->ws_send ? services->ws_send(services->ctx, ws, kind, parts, n)
                             : ANTIPHON_EUNAVAILABLE;
}

void host_ws_close(const struct antiphon_host *h, struct antiphon_ws *ws, int code,
                          const char *reason)
{
    const struct host_services *services = host_of(h)->services;

    if (ws && services->ws_close)
        services->ws_close(services->ctx, ws, code, reason ? reason : "");
}
