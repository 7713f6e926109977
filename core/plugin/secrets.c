#include "plugin/secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

#define OPEN    "{{secret:"
#define CLOSE   "}}"
#define MAX_KEY 256 /* bytes of a key with those of the objects it is in; longer ones are no secrets */

struct secret {
    char *key, *value; /* owned */
};

struct secrets {
    struct secret secret[SECRETS_MAX];
    size_t n;
};

static enum antiphon_status add(struct secrets *secrets, const char *key, cJSON *value, bool host_only)
{
    char text[MAX_KEY + sizeof(OPEN) + sizeof(CLOSE)];
    struct secret *secret = &secrets->secret[secrets->n];
    struct buf place;

    if (secrets->n == SECRETS_MAX)
        return ANTIPHON_ETOOBIG;
    secret->key = strdup(key);
    secret->value = strdup(value->valuestring);
    secrets->n++;
    if (!secret->key || !secret->value)
        return ANTIPHON_ENOMEM;
    if (!host_only)
        return ANTIPHON_OK;
    buf_init(&place, sizeof(text));
    buf_printf(&place, OPEN "%s" CLOSE, key);
    explicit_bzero(value->valuestring, strlen(value->valuestring));
    bool put = buf_status(&place) == ANTIPHON_OK && cJSON_SetValuestring(value, buf_text(&place));
    buf_deinit(&place);
    return put ? ANTIPHON_OK : ANTIPHON_ENOMEM;
}

/* "before.name" into key, which has MAX_KEY bytes; false: too long. */
static bool join_key(char *key, const char *before, const char *name)
{
    struct buf text;

    buf_init(&text, MAX_KEY - 1);
    buf_printf(&text, "%s%s%s", before, *before ? "." : "", name);
    bool fits = buf_status(&text) == ANTIPHON_OK;
    if (fits)
        memcpy(key, buf_text(&text), text.len + 1);
    buf_deinit(&text);
    return fits;
}

/* Schemas are at most as deep as their text lets them be parsed. */
static enum antiphon_status walk(struct secrets *secrets, const cJSON *schema, cJSON *value, const char *key)
{
    const cJSON *property, *items = json_get(schema, "items");
    enum antiphon_status status = ANTIPHON_OK;
    char below[MAX_KEY], number[16];
    unsigned index = 0;

    if (cJSON_IsString(value) && json_get_bool(schema, "writeOnly", false))
        return add(secrets, key, value, json_get_bool(schema, "x-host-only", false));
    for (cJSON *item = items && cJSON_IsArray(value) ? value->child : NULL; item && !status; item = item->next) {
        (void)snprintf(number, sizeof(number), "%u", index++);
        if (join_key(below, key, number))
            status = walk(secrets, items, item, below);
    }
    cJSON_ArrayForEach (property, json_get(schema, "properties")) {
        cJSON *member = cJSON_GetObjectItemCaseSensitive(value, property->string);
        if (!status && member && join_key(below, key, property->string))
            status = walk(secrets, property, member, below);
    }
    return status;
}

enum antiphon_status secrets_new(const cJSON *schema, cJSON *config, struct secrets **secrets)
{
    struct secrets *made = calloc(1, sizeof(*made));
    enum antiphon_status status = made ? ANTIPHON_OK : ANTIPHON_ENOMEM;

    if (!status)
        status = walk(made, schema, config, "");
    if (status)
        secrets_free(made);
    else
        *secrets = made;
    return status;
}

void secrets_free(struct secrets *secrets)
{
    if (!secrets)
        return;
    for (size_t i = 0; i < secrets->n; i++) {
        free(secrets->secret[i].key);
        if (secrets->secret[i].value)
            explicit_bzero(secrets->secret[i].value, strlen(secrets->secret[i].value));
        free(secrets->secret[i].value);
    }
    free(secrets);
}

bool secrets_wanted(const char *text, size_t len)
{
    return memmem(text, len, OPEN, sizeof(OPEN) - 1) != NULL;
}

static const char *value_of(const struct secrets *secrets, const char *key, size_t len)
{
    for (size_t i = 0; i < secrets->n; i++) {
        if (strlen(secrets->secret[i].key) == len && memcmp(secrets->secret[i].key, key, len) == 0)
            return secrets->secret[i].value;
    }
    return NULL;
}

enum antiphon_status secrets_fill(const struct secrets *secrets, const char *text, size_t len, struct buf *out)
{
    const char *end = text + len;

    while (text < end) {
        const char *open = memmem(text, (size_t)(end - text), OPEN, sizeof(OPEN) - 1);
        if (!open) {
            buf_append(out, text, (size_t)(end - text));
            break;
        }
        const char *key = open + sizeof(OPEN) - 1;
        const char *close = memmem(key, (size_t)(end - key), CLOSE, sizeof(CLOSE) - 1);
        const char *value = close ? value_of(secrets, key, (size_t)(close - key)) : NULL;
        if (!value)
            return ANTIPHON_EINVAL;
        buf_append(out, text, (size_t)(open - text));
        buf_puts(out, value);
        text = close + sizeof(CLOSE) - 1;
    }
    return buf_status(out);
}

enum antiphon_status secrets_take(const char *schema, char **json, struct secrets **secrets, struct err *err)
{
    cJSON *tree = schema ? cJSON_Parse(schema) : NULL, *config = cJSON_Parse(*json ? *json : "{}");
    struct buf text;
    enum antiphon_status status = config ? ANTIPHON_OK : ANTIPHON_ENOMEM;

    buf_init(&text, (size_t)1 << 20);
    if (!status)
        status = secrets_new(tree, config, secrets);
    if (!status)
        status = json_print(config, &text);
    if (status) {
        err_set(err, status, "config: %s",
                status == ANTIPHON_ETOOBIG ? "it has too many secrets, or is too long" : status_name(status));
    } else {
        if (*json)
            explicit_bzero(*json, strlen(*json));
        free(*json);
        *json = buf_take(&text);
    }
    buf_deinit(&text);
    cJSON_Delete(tree);
    cJSON_Delete(config);
    return status;
}
