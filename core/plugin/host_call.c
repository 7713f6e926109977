#include "plugin/host_impl.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/json.h"
#include "base/utf8.h"
#include "plugin/registration.h"
#include "base/banned.h"

void host_finish(const struct antiphon_host *h, struct antiphon_call *call,
                        enum antiphon_status status, const char *text, size_t len)
{
    const struct host *host = host_of(h);
    char why[128];

    if (!call) {
        log_error(host->name, "finish() without a call was ignored");
        return;
    }
    if (!text)
        len = 0;
    if (len > HOST_MAX_RESULT) {
        int n = snprintf(why, sizeof(why), "the result has %zu bytes, at most %zu are allowed", len,
                         HOST_MAX_RESULT);
        log_warn(host->name, "call %s: its result was replaced by an error: %s", call->tool, why);
        status = ANTIPHON_ETOOBIG;
        text = why;
        len = n < 0 ? 0 : (size_t)n;
    }
    if (host->services->finish)
        host->services->finish(host->services->ctx, call, status, len ? text : "", len);
}

bool host_cancelled(const struct antiphon_host *h, const struct antiphon_call *call)
{
    const struct host_services *services = host_of(h)->services;

    return call && services->cancelled && services->cancelled(services->ctx, call);
}

void host_progress(const struct antiphon_host *h, struct antiphon_call *call,
                          const char *text, size_t len)
{
    const struct host *host = host_of(h);

    if (!call || !text || !utf8_valid(text, len)) {
        log_error(host->name, "progress() without a call or UTF-8 text was ignored");
        return;
    }
    if (len > HOST_MAX_PROGRESS)
        len = utf8_cut(text, HOST_MAX_PROGRESS);
    if (host->services->progress)
        host->services->progress(host->services->ctx, call, text, len);
}

/* Text of the plugin's that is to be JSON: valid, and an object where that is asked for. */
static enum antiphon_status check_json(const char *json, size_t len, bool object)
{
    const struct json_limits limits = {.max_bytes = HOST_MAX_JSON};
    struct err why = {0};
    cJSON *value = NULL;

    if (!json)
        return ANTIPHON_EINVAL;
    if (len > HOST_MAX_JSON)
        return ANTIPHON_ETOOBIG;
    enum antiphon_status status = json_parse(json, len, &limits, &value, &why);
    if (!status && object && !cJSON_IsObject(value))
        status = ANTIPHON_EINVAL;
    cJSON_Delete(value);
    return status;
}

static enum antiphon_status refuse(const struct host *host, const char *what, enum antiphon_status status)
{
    log_error(host->name, "%s() was refused: %s", what, status_name(status));
    return status;
}

enum antiphon_status host_receipt(const struct antiphon_host *h, struct antiphon_call *call, const char *json,
                                  size_t len)
{
    const struct host *host = host_of(h);
    enum antiphon_status status = call ? check_json(json, len, true) : ANTIPHON_EINVAL;

    if (status)
        return refuse(host, "receipt", status);
    if (!host->services->receipt)
        return ANTIPHON_EUNAVAILABLE;
    return host->services->receipt(host->services->ctx, call, json, len);
}

static bool is_event_name(const char *name)
{
    size_t len = name ? strlen(name) : 0;

    return len > 0 && len <= HOST_MAX_EVENT_NAME &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

enum antiphon_status host_publish(const struct antiphon_host *h, struct antiphon_call *call, const char *name,
                                  const char *json, size_t len)
{
    const struct host *host = host_of(h);
    enum antiphon_status status =
        call && is_event_name(name) ? check_json(json, len, false) : ANTIPHON_EINVAL;

    if (status)
        return refuse(host, "publish", status);
    if (!host->services->publish)
        return ANTIPHON_EUNAVAILABLE;
    return host->services->publish(host->services->ctx, call, host->name, name, json, len);
}

static bool is_key(const char *key)
{
    size_t len = key ? strnlen(key, HOST_MAX_KEY + 1) : 0;

    return len > 0 && len <= HOST_MAX_KEY && utf8_valid(key, len);
}

enum antiphon_status host_state_get(const struct antiphon_host *h, const struct antiphon_call *call,
                                    const char *key, char *json, size_t size, size_t *len)
{
    const struct host *host = host_of(h);

    if (!call || !is_key(key) || (size && !json))
        return refuse(host, "state_get", ANTIPHON_EINVAL);
    if (!host->services->state_get)
        return ANTIPHON_EUNAVAILABLE;
    return host->services->state_get(host->services->ctx, call, key, json, size, len);
}

enum antiphon_status host_state_set(const struct antiphon_host *h, struct antiphon_call *call, const char *key,
                                    const char *json, size_t len)
{
    const struct host *host = host_of(h);
    enum antiphon_status status = call && is_key(key) ? ANTIPHON_OK : ANTIPHON_EINVAL;

    if (!json) {
        json = "null";
        len = 4;
    }
    if (!status)
        status = check_json(json, len, false);
    if (status)
        return refuse(host, "state_set", status);
    if (!host->services->state_set)
        return ANTIPHON_EUNAVAILABLE;
    return host->services->state_set(host->services->ctx, call, key, json, len);
}

void host_decide(const struct antiphon_host *h, struct antiphon_check *check, enum antiphon_verdict verdict,
                 const char *text, size_t len)
{
    const struct host *host = host_of(h);

    if (!check) {
        log_error(host->name, "decide() without a check was ignored");
        return;
    }
    if (host->services->decide)
        host->services->decide(host->services->ctx, check, verdict, text ? text : "", text ? len : 0);
}
