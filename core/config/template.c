#include "config/template.h"

#include <string.h>

#include "base/banned.h"

#define MAX_NAME 256 /* bytes of a key with its prefix; anything longer is not a key */

static bool is_identifier(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c >= 0x80;
        if (!letter && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return len > 0;
}

/* identifier | (app|user|temp):identifier */
static bool is_key(const char *name)
{
    static const char *const prefixes[] = {"app:", "user:", "temp:"};

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        size_t n = strlen(prefixes[i]);
        if (strncmp(name, prefixes[i], n) == 0)
            return is_identifier(name + n, strlen(name + n));
    }
    return is_identifier(name, strlen(name));
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The text between the braces without white space and "?". false: cannot be a name. */
static bool take_name(const char *inner, size_t len, char name[MAX_NAME], bool *optional)
{
    while (len && is_space(*inner)) {
        inner++;
        len--;
    }
    while (len && is_space(inner[len - 1]))
        len--;
    *optional = len && inner[len - 1] == '?';
    if (*optional)
        len--;
    if (len == 0 || len >= MAX_NAME)
        return false;
    memcpy(name, inner, len);
    name[len] = '\0';
    return true;
}

static enum antiphon_status put_value(const cJSON *value, struct buf *out)
{
    if (cJSON_IsString(value))
        return buf_puts(out, value->valuestring);
    return cJSON_IsNull(value) ? ANTIPHON_OK : json_print(value, out);
}

/* text..end is one run "{...}" with all its braces. */
static enum antiphon_status expand_one(const char *text, const char *end, const cJSON *state,
                                       struct buf *out, struct err *err)
{
    char name[MAX_NAME];
    bool optional;
    const char *inner = text + strspn(text, "{"), *inner_end = end;

    while (inner_end > inner && inner_end[-1] == '}')
        inner_end--;
    if (!take_name(inner, (size_t)(inner_end - inner), name, &optional))
        return buf_append(out, text, (size_t)(end - text));
    if (strncmp(name, "artifact.", 9) == 0) {
        if (optional)
            return ANTIPHON_OK;
        return err_set(err, ANTIPHON_EINVAL, "{%s}: artifacts are not supported yet", name);
    }
    if (!is_key(name))
        return buf_append(out, text, (size_t)(end - text));
    const cJSON *value = json_get(state, name);
    if (value)
        return put_value(value, out);
    if (optional)
        return ANTIPHON_OK;
    return err_set(err, ANTIPHON_EINVAL,
                   "the instruction needs \"%s\", which the session's state does not hold "
                   "(write {%s?} if it may be missing)",
                   name, name);
}

enum antiphon_status template_expand(const char *text, const cJSON *state, struct buf *out,
                                     struct err *err)
{
    while (*text) {
        size_t plain = strcspn(text, "{");
        enum antiphon_status status = buf_append(out, text, plain);
        text += plain;
        if (status == ANTIPHON_OK && *text) {
            /* A run is one or more "{", no braces, one or more "}". */
            const char *inner = text + strspn(text, "{");
            const char *close = inner + strcspn(inner, "{}");
            size_t closing = strspn(close, "}");
            if (closing)
                status = expand_one(text, close + closing, state, out, err);
            else
                status = buf_append(out, text, (size_t)(close - text));
            text = close + closing;
        }
        if (status == ANTIPHON_ENOMEM || status == ANTIPHON_ETOOBIG)
            return err_set(err, status, "the expanded instruction is too large");
        if (status != ANTIPHON_OK)
            return status;
    }
    return ANTIPHON_OK;
}
