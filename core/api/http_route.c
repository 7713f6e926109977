#include "api/http_route.h"

#include <string.h>

#include "auth/origin.h"
#include "base/metrics.h"
#include "base/banned.h"

static void answer(struct http_reply *reply, int status, const char *text)
{
    reply->status = status;
    reply->content_type = "text/plain; charset=utf-8";
    buf_puts(&reply->body, text);
}

static void tell_plugin(void *ctx, const struct isolate_report *report)
{
    struct http_reply *reply = ctx;

    buf_printf(&reply->body, "plugin %s: %s", report->name, isolate_state_name(report->state));
    if (report->restarts)
        buf_printf(&reply->body, " (started again %u times)", report->restarts);
    if (report->state == ISOLATE_BACKING_OFF)
        buf_printf(&reply->body, ", next start in %llu ms", (unsigned long long)report->retry_in_ms);
    buf_printf(&reply->body, "%s%s", report->reason[0] ? ": " : "", report->reason);
    if (report->refused[0])
        buf_printf(&reply->body, "; a newer file was refused: %s", report->refused);
    buf_puts(&reply->body, "\n");
}

/* Ready means: the store takes records. A plugin that fails is told, but others talk on without it. */
static void ready(struct runtime *runtime, struct http_reply *reply)
{
    struct store_stats stats;

    store_stats(runtime->store, &stats);
    if (stats.failing)
        answer(reply, 503, "store: the last commit failed\n");
    else
        answer(reply, 200, "ok\n");
    if (runtime->isolate)
        isolate_each(runtime->isolate, tell_plugin, reply);
}

static void metrics(struct http_reply *reply)
{
    reply->status = metrics_print(&reply->body) ? 500 : 200;
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
}

static bool is_get(const struct http_request *request)
{
    return strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
}

void http_route_on_metrics(void *ctx, const struct http_request *request, struct http_reply *reply)
{
    const struct runtime *runtime = ctx;

    if (!origin_host_allowed(request->host, origin_host_is_loopback(runtime->config->metrics_host)))
        answer(reply, 403, "Forbidden: host not allowed\n");
    else if (is_get(request) && strcmp(request->path, "/metrics") == 0)
        metrics(reply);
}

void http_route_on_request(void *ctx, const struct http_request *request, struct http_reply *reply)
{
    struct runtime *runtime = ctx;

    if (!origin_host_allowed(request->host, origin_host_is_loopback(runtime->config->host))) {
        answer(reply, 403, "Forbidden: host not allowed\n");
        return;
    }
    if (!is_get(request))
        return;
    if (strcmp(request->path, "/livez") == 0) {
        answer(reply, 200, "ok\n");
    } else if (strcmp(request->path, "/readyz") == 0) {
        ready(runtime, reply);
    } else if (strcmp(request->path, "/metrics") == 0 && !runtime->config->metrics_host) {
        metrics(reply);
    }
}
