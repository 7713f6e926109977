#include "config/yaml_gate.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"
#include "base/banned.h"

struct gate {
    const char *text;
    size_t len;
    bool content; /* a line with content or a document marker was seen */
    bool ended;   /* "..." was seen */
};

static bool is_break(char c)
{
    return c == '\n' || c == '\r';
}

static bool is_marker(const char *line, size_t n, const char *marker)
{
    return n >= 3 && memcmp(line, marker, 3) == 0 && (n == 3 || line[3] == ' ' || line[3] == '\t');
}

/* line without its break */
static enum antiphon_status check_line(struct gate *gate, const char *line, size_t n,
                                       struct err *err)
{
    size_t i = 0;

    if (n && line[0] == '%')
        return err_set(err, ANTIPHON_EINVAL,
                       "YAML directives (lines that start with %%) are not allowed");
    while (i < n && (line[i] == ' ' || line[i] == '\t'))
        i++;
    if (i == n || line[i] == '#')
        return ANTIPHON_OK;
    if (gate->ended || (gate->content && is_marker(line, n, "---")))
        return err_set(err, ANTIPHON_EINVAL, "only one YAML document is allowed in a file");
    gate->ended = is_marker(line, n, "...");
    gate->content = true;
    return ANTIPHON_OK;
}

static size_t bad_byte(const char *text, size_t len)
{
    size_t valid = utf8_valid_len(text, len);

    for (size_t i = 0; i < valid; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\t' && !is_break(text[i])) || c == 0x7f)
            return i;
    }
    return valid;
}

enum antiphon_status yaml_gate(const char *text, size_t len, int *line, int *column,
                               struct err *err)
{
    struct gate gate = {text, len, false, false};
    size_t start = 0;

    *line = *column = 1;
    if (len > YAML_MAX_BYTES)
        return err_set(err, ANTIPHON_ETOOBIG, "larger than %u bytes", YAML_MAX_BYTES);
    size_t bad = bad_byte(text, len);
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        start = 3; /* a byte order mark is not content */
    while (start < len) {
        size_t end = start;
        while (end < len && end < bad && !is_break(text[end]))
            end++;
        if (end == bad && bad < len) {
            *column = (int)(end - start) + 1;
            return err_set(err, ANTIPHON_EINVAL,
                           "byte 0x%02x: not UTF-8 text or a control character",
                           (unsigned)(unsigned char)text[bad]);
        }
        enum antiphon_status status = check_line(&gate, text + start, end - start, err);
        if (status != ANTIPHON_OK)
            return status;
        if (end + 1 < len && text[end] == '\r' && text[end + 1] == '\n')
            end++;
        start = end + 1;
        ++*line;
    }
    return ANTIPHON_OK;
}
