#include "robots.h"

#include <string.h>
#include <strings.h>

#define MAX_PATTERN 1024

struct line {
    const char *name, *value;
    size_t name_len, value_len;
};

/* The next "name: value" of the text; false at its end. */
static bool next_line(const char **at, const char *end, struct line *line)
{
    while (*at < end) {
        const char *start = *at, *stop = start;
        while (stop < end && *stop != '\n' && *stop != '\r')
            stop++;
        *at = stop < end ? stop + 1 : end;
        const char *comment = memchr(start, '#', (size_t)(stop - start));
        if (comment)
            stop = comment;
        const char *colon = memchr(start, ':', (size_t)(stop - start));
        if (!colon)
            continue;
        const char *name_end = colon;
        while (start < name_end && strchr(" \t\xEF\xBB\xBF", *start))
            start++;
        while (name_end > start && strchr(" \t", name_end[-1]))
            name_end--;
        const char *value = colon + 1;
        while (value < stop && strchr(" \t", *value))
            value++;
        while (stop > value && strchr(" \t", stop[-1]))
            stop--;
        *line = (struct line){start, value, (size_t)(name_end - start), (size_t)(stop - value)};
        return true;
    }
    return false;
}

static bool is(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && !strncasecmp(text, word, len);
}

/* The name of a program ends where its version begins: "antiphon/1.0". */
static bool names(const struct line *line, const char *agent)
{
    size_t len = 0;

    while (len < line->value_len && !strchr("/ \t", line->value[len]))
        len++;
    return is(line->value, len, agent);
}

static int nibble(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | 0x20) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* One character of a path: escapes are undone, so that both spellings are equal; 256 and more where
 * that would change the meaning ("%2F" is no "/"). */
static int take(const char **at, const char *end)
{
    const char *p = *at;
    int high = *p == '%' && end - p > 2 ? nibble(p[1]) : -1, low = high >= 0 ? nibble(p[2]) : -1;

    if (low < 0) {
        *at = p + 1;
        return (unsigned char)*p;
    }
    *at = p + 3;
    int c = high << 4 | low;
    return c && strchr("/?&=#%*$", c) ? 256 + c : c;
}

static bool matches(const char *pattern, size_t len, const char *path)
{
    const char *end = pattern + len, *path_end = path + strlen(path);
    const char *star = NULL, *retry = NULL;
    bool anchored = len > 0 && end[-1] == '$';

    if (anchored)
        end--;
    for (;;) {
        if (pattern == end && (!anchored || path == path_end))
            return true;
        if (pattern < end && *pattern == '*') {
            star = ++pattern;
            retry = path;
            continue;
        }
        const char *p = pattern, *q = path;
        if (pattern < end && path < path_end && take(&p, end) == take(&q, path_end)) {
            pattern = p;
            path = q;
            continue;
        }
        if (!star || retry >= path_end)
            return false;
        pattern = star;
        (void)take(&retry, path_end);
        path = retry;
    }
}

/* The longest rule of the agent's groups that matches; false: no group is for it. */
static bool decide(const char *text, size_t len, const char *agent, const char *path, bool *allow)
{
    const char *at = text, *end = text + len;
    bool in_group = false, reading_names = false, found = false;
    size_t best = 0;
    struct line line;

    *allow = true;
    while (next_line(&at, end, &line)) {
        if (is(line.name, line.name_len, "user-agent")) {
            if (!reading_names)
                in_group = false;
            reading_names = true;
            in_group = in_group || names(&line, agent);
            found = found || in_group;
            continue;
        }
        bool allows = is(line.name, line.name_len, "allow");
        if (!allows && !is(line.name, line.name_len, "disallow"))
            continue;
        reading_names = false;
        if (!in_group || line.value_len == 0 || line.value_len > MAX_PATTERN ||
            line.value_len < best || (line.value_len == best && !allows) ||
            !matches(line.value, line.value_len, path))
            continue;
        best = line.value_len;
        *allow = allows;
    }
    return found;
}

bool robots_allow(const char *text, size_t len, const char *agent, const char *path)
{
    bool allow;

    if (!strcmp(path, "/robots.txt"))
        return true;
    if (!decide(text, len, agent, path, &allow))
        (void)decide(text, len, "*", path, &allow);
    return allow;
}
