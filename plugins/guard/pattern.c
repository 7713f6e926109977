#define PCRE2_CODE_UNIT_WIDTH 8
#include "pattern.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAP_LIMIT_KIB 16384
#define CLOCK_INTERVAL 256 /* steps of a search between two looks at the clock */

struct pattern {
    pcre2_code *code;  /* owned */
    char *replacement; /* owned, or NULL */
};

struct search {
    const struct pattern_time *time; /* borrowed */
    unsigned steps;
};

/* PCRE2 would find a wrong group only when it replaces. */
static enum antiphon_status check_replacement(const struct pattern *pattern, char *why,
                                              size_t why_size)
{
    uint32_t groups = 0;

    (void)pcre2_pattern_info(pattern->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    for (const char *c = pattern->replacement; (c = strchr(c, '$')); c++) {
        unsigned long group = 0;
        size_t digits = 0;
        if (c[1] == '$') {
            c++;
            continue;
        }
        for (; digits < 2 && c[1 + digits] >= '0' && c[1 + digits] <= '9'; digits++)
            group = group * 10 + (unsigned long)(c[1 + digits] - '0');
        if (digits == 0 || group > groups) {
            (void)snprintf(why, why_size,
                           "a dollar sign in a replacement is written $$, and a "
                           "group's number is at most %u here",
                           groups);
            return ANTIPHON_EINVAL;
        }
    }
    return ANTIPHON_OK;
}

enum antiphon_status pattern_new(const char *text, bool ignore_case, const char *replacement,
                                 struct pattern **pattern, char *why, size_t why_size)
{
    struct pattern *made = calloc(1, sizeof(*made));
    PCRE2_UCHAR message[160];
    PCRE2_SIZE offset;
    int error;

    (void)snprintf(why, why_size, "out of memory");
    if (made && replacement)
        made->replacement = strdup(replacement);
    if (!made || (replacement && !made->replacement)) {
        pattern_free(made);
        return ANTIPHON_ENOMEM;
    }
    made->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                               PCRE2_UTF | PCRE2_UCP | PCRE2_AUTO_CALLOUT |
                                   PCRE2_NEVER_BACKSLASH_C | (ignore_case ? PCRE2_CASELESS : 0),
                               &error, &offset, NULL);
    if (!made->code) {
        (void)pcre2_get_error_message(error, message, sizeof(message));
        (void)snprintf(why, why_size, "at character %zu of the pattern: %s", (size_t)offset + 1,
                       (const char *)message);
        pattern_free(made);
        return ANTIPHON_EINVAL;
    }
    if (replacement && check_replacement(made, why, why_size) != ANTIPHON_OK) {
        pattern_free(made);
        return ANTIPHON_EINVAL;
    }
    *pattern = made;
    return ANTIPHON_OK;
}

void pattern_free(struct pattern *pattern)
{
    if (!pattern)
        return;
    pcre2_code_free(pattern->code);
    free(pattern->replacement);
    free(pattern);
}

/* Called at every step of a search; what is not 0 ends it. */
static int on_step(pcre2_callout_block *block, void *ctx)
{
    struct search *search = ctx;
    const struct pattern_time *time = search->time;

    (void)block;
    if (++search->steps % CLOCK_INTERVAL != 0)
        return 0;
    return time->h->now_ms(time->h) >= time->deadline_ms ? PCRE2_ERROR_CALLOUT : 0;
}

static enum antiphon_status status_of(int result)
{
    switch (result) {
    case PCRE2_ERROR_NOMATCH:
        return ANTIPHON_ENOTFOUND;
    case PCRE2_ERROR_CALLOUT:
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
        return ANTIPHON_ETIMEOUT;
    case PCRE2_ERROR_HEAPLIMIT:
    case PCRE2_ERROR_NOMEMORY:
        return ANTIPHON_ETOOBIG;
    default:
        return result >= 0 ? ANTIPHON_OK : ANTIPHON_EINVAL;
    }
}

/* made NULL: only searches. */
static enum antiphon_status run(const struct pattern *pattern, const struct pattern_time *time,
                                const char *text, size_t len, PCRE2_UCHAR *made,
                                PCRE2_SIZE *made_len)
{
    struct search search = {.time = time};
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(pattern->code, NULL);
    enum antiphon_status status = ANTIPHON_ENOMEM;
    int result;

    if (!context || !data)
        goto out;
    (void)pcre2_set_callout(context, on_step, &search);
    (void)pcre2_set_heap_limit(context, HEAP_LIMIT_KIB);
    if (made)
        result = pcre2_substitute(pattern->code, (PCRE2_SPTR)text, len, 0, PCRE2_SUBSTITUTE_GLOBAL,
                                  data, context, (PCRE2_SPTR)pattern->replacement,
                                  PCRE2_ZERO_TERMINATED, made, made_len);
    else
        result = pcre2_match(pattern->code, (PCRE2_SPTR)text, len, 0, 0, data, context);
    status = made && result == 0 ? ANTIPHON_ENOTFOUND : status_of(result);
out:
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    return status;
}

enum antiphon_status pattern_search(const struct pattern *pattern, const struct pattern_time *time,
                                    const char *text, size_t len)
{
    return len > PATTERN_MAX_TEXT_BYTES ? ANTIPHON_ETOOBIG
                                        : run(pattern, time, text, len, NULL, NULL);
}

enum antiphon_status pattern_replace(const struct pattern *pattern, const struct pattern_time *time,
                                     const char *text, size_t len, char **made, size_t *made_len)
{
    PCRE2_SIZE size = PATTERN_MAX_MADE_BYTES;
    PCRE2_UCHAR *buffer;
    enum antiphon_status status = pattern_search(pattern, time, text, len);

    /* Most texts have nothing to replace. */
    if (status != ANTIPHON_OK)
        return status;
    buffer = malloc(size);
    if (!buffer)
        return ANTIPHON_ENOMEM;
    status = run(pattern, time, text, len, buffer, &size);
    if (status != ANTIPHON_OK) {
        free(buffer);
        return status;
    }
    *made = (char *)buffer;
    *made_len = size;
    return ANTIPHON_OK;
}
