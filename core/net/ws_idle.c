#include "net/ws_idle.h"

#include "base/metrics.h"
#include "base/banned.h"

static void start_window(struct ws_idle *idle);

static void on_window_end(void *ctx)
{
    struct ws_idle *idle = ctx;

    metrics_set(METRIC_client_sockets_idle, idle->sockets - idle->awake);
    start_window(idle);
}

static void start_window(struct ws_idle *idle)
{
    idle->window++;
    idle->awake = 0;
    if (idle->sockets)
        timer_start(idle->shard, &idle->timer, WS_IDLE_WINDOW_MS, on_window_end, idle);
}

void ws_idle_stop(struct ws_idle *idle)
{
    timer_stop(idle->shard, &idle->timer);
    metrics_set(METRIC_client_sockets_idle, 0);
}

void ws_idle_open(struct ws_idle *idle, unsigned *window)
{
    metrics_add(METRIC_client_sockets, 1);
    idle->sockets++;
    if (!timer_active(&idle->timer))
        start_window(idle);
    ws_idle_message(idle, window);
}

void ws_idle_message(struct ws_idle *idle, unsigned *window)
{
    if (*window == idle->window)
        return;
    *window = idle->window;
    idle->awake++;
}

void ws_idle_close(struct ws_idle *idle, unsigned window)
{
    metrics_sub(METRIC_client_sockets, 1);
    idle->sockets--;
    if (window == idle->window)
        idle->awake--;
}
