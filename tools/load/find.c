#include "find.h"

#include <stdio.h>
#include <string.h>

#define MAX_KEY 40

/* Behind the colon of the first "key": in data. */
static const char *behind_key(const char *data, size_t len, size_t within, const char *key,
                              const char *end)
{
    char quoted[MAX_KEY];
    int n = snprintf(quoted, sizeof(quoted), "\"%s\"", key);
    const char *at = data;

    for (;;) {
        size_t left = (size_t)(end - at), room = len - (size_t)(at - data);
        size_t look = within < (size_t)(at - data) ? 0 : within - (size_t)(at - data);
        at = memmem(at, look < room ? look : room, quoted, (size_t)n);
        if (!at || left < (size_t)n)
            return NULL;
        at += n;
        while (at < end && (*at == ' ' || *at == '\n'))
            at++;
        if (at == end || *at != ':')
            continue; /* it was a value */
        at++;
        while (at < end && (*at == ' ' || *at == '\n'))
            at++;
        return at;
    }
}

bool find_string(const char *data, size_t len, size_t within, const char *key, struct span *value)
{
    const char *end = data + len, *at = behind_key(data, len, within, key, end), *quote;

    if (!at || at == end || *at != '"')
        return false;
    at++;
    for (quote = at; (quote = memchr(quote, '"', (size_t)(end - quote))); quote++) {
        size_t slashes = 0;
        while (quote - slashes > at && quote[-1 - (ptrdiff_t)slashes] == '\\')
            slashes++;
        if (slashes % 2 == 0)
            break;
    }
    if (!quote)
        return false;
    *value = (struct span){at, (size_t)(quote - at)};
    return true;
}

bool find_true(const char *data, size_t len, const char *key)
{
    const char *end = data + len, *at = behind_key(data, len, len, key, end);

    return at && end - at >= 4 && memcmp(at, "true", 4) == 0;
}

bool find_text(const char *data, size_t len, const char *text)
{
    return memmem(data, len, text, strlen(text)) != NULL;
}
