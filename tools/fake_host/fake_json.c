/* fake_json - whether a text is JSON (RFC 8259), and nothing more. */
#include "fake_impl.h"

#include <string.h>

#define MAX_DEPTH 64

struct scan {
    const char *at, *end;
    unsigned depth;
};

static bool scan_value(struct scan *scan);

static void skip_space(struct scan *scan)
{
    while (scan->at < scan->end && memchr(" \t\r\n", *scan->at, 4))
        scan->at++;
}

static bool take(struct scan *scan, char c)
{
    skip_space(scan);
    if (scan->at >= scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

static bool scan_word(struct scan *scan, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, word, len) != 0)
        return false;
    scan->at += len;
    return true;
}

static bool scan_escape(struct scan *scan)
{
    if (scan->at >= scan->end)
        return false;
    char c = *scan->at++;
    if (c != 'u')
        return memchr("\"\\/bfnrt", c, 8) != NULL;
    for (int i = 0; i < 4; i++, scan->at++) {
        if (scan->at >= scan->end || !memchr("0123456789abcdefABCDEF", *scan->at, 22))
            return false;
    }
    return true;
}

static bool scan_string(struct scan *scan)
{
    if (!take(scan, '"'))
        return false;
    while (scan->at < scan->end) {
        unsigned char c = (unsigned char)*scan->at++;
        if (c == '"')
            return true;
        if (c < 0x20 || (c == '\\' && !scan_escape(scan)))
            return false;
    }
    return false;
}

static size_t scan_digits(struct scan *scan)
{
    const char *start = scan->at;

    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    return (size_t)(scan->at - start);
}

static bool scan_number(struct scan *scan)
{
    if (scan->at < scan->end && *scan->at == '-')
        scan->at++;
    const char *start = scan->at;
    size_t whole = scan_digits(scan);
    if (whole == 0 || (whole > 1 && *start == '0'))
        return false;
    if (scan->at < scan->end && *scan->at == '.') {
        scan->at++;
        if (scan_digits(scan) == 0)
            return false;
    }
    if (scan->at < scan->end && (*scan->at == 'e' || *scan->at == 'E')) {
        scan->at++;
        if (scan->at < scan->end && (*scan->at == '+' || *scan->at == '-'))
            scan->at++;
        return scan_digits(scan) > 0;
    }
    return true;
}

static bool scan_members(struct scan *scan, bool object)
{
    char close = object ? '}' : ']';

    scan->at++;
    if (take(scan, close))
        return true;
    do {
        skip_space(scan);
        if (object && (!scan_string(scan) || !take(scan, ':')))
            return false;
        if (!scan_value(scan))
            return false;
    } while (take(scan, ','));
    return take(scan, close);
}

static bool scan_value(struct scan *scan)
{
    bool good;

    skip_space(scan);
    if (scan->at >= scan->end || scan->depth == MAX_DEPTH)
        return false;
    scan->depth++;
    switch (*scan->at) {
    case '{':
    case '[':
        good = scan_members(scan, *scan->at == '{');
        break;
    case '"':
        good = scan_string(scan);
        break;
    case 't':
        good = scan_word(scan, "true");
        break;
    case 'f':
        good = scan_word(scan, "false");
        break;
    case 'n':
        good = scan_word(scan, "null");
        break;
    default:
        good = scan_number(scan);
    }
    scan->depth--;
    return good;
}

bool fake_is_json(const char *text, size_t len)
{
    struct scan scan = {text, text + len, 0};

    if (!text || !scan_value(&scan))
        return false;
    skip_space(&scan);
    return scan.at == scan.end;
}

bool fake_is_object(const char *text, size_t len)
{
    size_t space = 0;

    while (text && space < len && memchr(" \t\r\n", text[space], 4))
        space++;
    return space < len && text[space] == '{' && fake_is_json(text, len);
}
