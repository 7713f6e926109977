#include "plugin/host_impl.h"

#include <string.h>

#include "base/log.h"
#include "base/thread.h"
#include "base/utf8.h"
#include "plugin/registration.h"
#include "base/banned.h"

static bool is_text(const char *text, size_t max)
{
    size_t len = text ? strnlen(text, max + 1) : 0;

    return len > 0 && len <= max && utf8_valid(text, len);
}

/* What may wait is refused where others would wait with it. */
static enum antiphon_status check(const struct host *host, const char *what, bool right)
{
    if (!right) {
        log_error(host->name, "%s() with an impossible argument was refused", what);
        return ANTIPHON_EINVAL;
    }
    if (thread_may_block())
        return ANTIPHON_OK;
    log_error(host->name, "%s() was refused: it may block, and this thread must not", what);
    return ANTIPHON_EDENIED;
}

enum antiphon_status host_notify(const struct antiphon_host *h, const struct antiphon_notice *notice)
{
    const struct host *host = host_of(h);
    struct antiphon_notice full;
    bool right =
        !registration_copy(&full, sizeof(full), notice, HOST_END_OF(struct antiphon_notice, len));

    right = right && is_text(full.app, HOST_MAX_KEY) && is_text(full.user_id, HOST_MAX_KEY) &&
            is_text(full.session_id, HOST_MAX_KEY) && full.text && full.len > 0 &&
            utf8_valid(full.text, full.len) && full.ttl_s <= HOST_MAX_TTL_S;
    enum antiphon_status status = check(host, "notify", right);
    if (!status && full.len > HOST_MAX_NOTICE)
        status = ANTIPHON_ETOOBIG;
    if (status)
        return status;
    return host->services->notify ? host->services->notify(host->services->ctx, host->name, &full)
                                  : ANTIPHON_EUNAVAILABLE;
}

enum antiphon_status host_store_get(const struct antiphon_host *h, const char *user_id, const char *key,
                                    char *value, size_t size, size_t *len)
{
    const struct host *host = host_of(h);
    enum antiphon_status status =
        check(host, "store_get",
              (!user_id || is_text(user_id, HOST_MAX_KEY)) && is_text(key, HOST_MAX_KEY) && (!size || value));

    if (status)
        return status;
    return host->services->store_get
               ? host->services->store_get(host->services->ctx, host->name, user_id, key, value, size, len)
               : ANTIPHON_EUNAVAILABLE;
}

enum antiphon_status host_store_put(const struct antiphon_host *h, const char *user_id, const char *key,
                                    const char *value, size_t len)
{
    const struct host *host = host_of(h);
    enum antiphon_status status =
        check(host, "store_put",
              (!user_id || is_text(user_id, HOST_MAX_KEY)) && is_text(key, HOST_MAX_KEY) &&
                  (!value || len > HOST_MAX_JSON || utf8_valid(value, len)));

    if (!status && value && len > HOST_MAX_JSON)
        status = ANTIPHON_ETOOBIG;
    if (status)
        return status;
    return host->services->store_put
               ? host->services->store_put(host->services->ctx, host->name, user_id, key, value, len)
               : ANTIPHON_EUNAVAILABLE;
}

enum antiphon_status host_store_find(const struct antiphon_host *h, const struct antiphon_store_query *query,
                                     antiphon_row_fn *row, void *ctx)
{
    const struct host *host = host_of(h);
    struct antiphon_store_query full;
    bool right = row && !registration_copy(&full, sizeof(full), query,
                                           HOST_END_OF(struct antiphon_store_query, text));

    right = right && (!full.user_id || is_text(full.user_id, HOST_MAX_KEY)) &&
            (!full.prefix || !*full.prefix || is_text(full.prefix, HOST_MAX_KEY)) &&
            (!full.text || is_text(full.text, HOST_MAX_QUERY));
    enum antiphon_status status = check(host, "store_find", right);
    if (status)
        return status;
    if (full.limit == 0)
        full.limit = HOST_ROWS;
    if (full.limit > HOST_MAX_ROWS)
        full.limit = HOST_MAX_ROWS;
    return host->services->store_find
               ? host->services->store_find(host->services->ctx, host->name, &full, row, ctx)
               : ANTIPHON_EUNAVAILABLE;
}

enum antiphon_status host_timer_start(const struct antiphon_host *h, uint64_t delay_ms, antiphon_timer_fn *fn,
                                      void *ctx, uint64_t *timer)
{
    const struct host *host = host_of(h);
    uint64_t number = 0;

    if (!fn) {
        log_error(host->name, "timer_start() without a function was refused");
        return ANTIPHON_EINVAL;
    }
    if (!host->services->timer_start)
        return ANTIPHON_EUNAVAILABLE;
    return host->services->timer_start(host->services->ctx, host->name, delay_ms, fn, ctx,
                                       timer ? timer : &number);
}

bool host_timer_cancel(const struct antiphon_host *h, uint64_t timer)
{
    const struct host *host = host_of(h);

    return host->services->timer_cancel && host->services->timer_cancel(host->services->ctx, host->name, timer);
}
