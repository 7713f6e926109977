#include "reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void reply_json(const struct antiphon_host *h, struct antiphon_call *call, cJSON *value)
{
    char *text = value ? cJSON_PrintUnformatted(value) : NULL;

    cJSON_Delete(value);
    if (text)
        h->finish(h, call, ANTIPHON_OK, text, strlen(text));
    else
        reply_error(h, call, ANTIPHON_ENOMEM, "there was not enough memory for this");
    cJSON_free(text);
}

void reply_error(const struct antiphon_host *h, struct antiphon_call *call,
                 enum antiphon_status status, const char *fmt, ...)
{
    char text[REPLY_MAX_ERROR_BYTES];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    h->finish(h, call, status, text, strlen(text));
}

cJSON *reply_args(const struct antiphon_host *h, struct antiphon_call *call)
{
    cJSON *args = cJSON_ParseWithLength(call->args, call->args_len);

    if (!args)
        reply_error(h, call, ANTIPHON_ENOMEM, "the arguments cannot be read");
    return args;
}

const char *reply_text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

int64_t reply_integer(const cJSON *object, const char *name, int64_t otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

    if (!cJSON_IsNumber(item) || !(item->valuedouble > -9e15 && item->valuedouble < 9e15))
        return otherwise;
    return (int64_t)item->valuedouble;
}
