#include "store/state_scan.h"

#include <assert.h>
#include <string.h>

#include "store/state.h"
#include "base/banned.h"

void state_scan_space(struct state_scan *scan)
{
    while (scan->at < scan->end && strchr(" \t\r\n", *scan->at) && *scan->at)
        scan->at++;
}

bool state_scan_char(struct state_scan *scan, char c)
{
    state_scan_space(scan);
    if (scan->at == scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

static bool is_digit(const struct state_scan *scan)
{
    return scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
}

static bool scan_digits(struct state_scan *scan)
{
    if (!is_digit(scan))
        return false;
    while (is_digit(scan))
        scan->at++;
    return true;
}

static bool scan_number(struct state_scan *scan)
{
    if (scan->at < scan->end && *scan->at == '-')
        scan->at++;
    if (scan->at < scan->end && *scan->at == '0')
        scan->at++;
    else if (!scan_digits(scan))
        return false;
    if (scan->at < scan->end && *scan->at == '.') {
        scan->at++;
        if (!scan_digits(scan))
            return false;
    }
    if (scan->at < scan->end && (*scan->at == 'e' || *scan->at == 'E')) {
        scan->at++;
        if (scan->at < scan->end && (*scan->at == '+' || *scan->at == '-'))
            scan->at++;
        return scan_digits(scan);
    }
    return true;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool hex4(const char *text, const char *end, unsigned *value)
{
    if (end - text < 4)
        return false;
    *value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(text[i]);
        if (digit < 0)
            return false;
        *value = *value * 16 + (unsigned)digit;
    }
    return true;
}

bool state_scan_string(struct state_scan *scan, const char **text, size_t *len)
{
    *text = scan->at;
    for (; scan->at < scan->end && *scan->at != '"'; scan->at++) {
        unsigned unit;
        if ((unsigned char)*scan->at < 0x20)
            return false;
        if (*scan->at != '\\')
            continue;
        scan->at++;
        if (scan->at == scan->end || !*scan->at || !strchr("\"\\/bfnrtu", *scan->at))
            return false;
        if (*scan->at == 'u' && !hex4(scan->at + 1, scan->end, &unit))
            return false;
    }
    if (scan->at == scan->end)
        return false;
    *len = (size_t)(scan->at - *text);
    scan->at++;
    return true;
}

static bool scan_word(struct state_scan *scan, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, word, len) != 0)
        return false;
    scan->at += len;
    return true;
}

static bool scan_container(struct state_scan *scan, char close)
{
    const char *text;
    size_t len;
    if (++scan->depth > STATE_MAX_DEPTH)
        return false;
    if (!state_scan_char(scan, close)) {
        do {
            if (close == '}' &&
                !(state_scan_char(scan, '"') && state_scan_string(scan, &text, &len) &&
                  state_scan_char(scan, ':')))
                return false;
            if (!state_scan_value(scan))
                return false;
        } while (state_scan_char(scan, ','));
        if (!state_scan_char(scan, close))
            return false;
    }
    scan->depth--;
    return true;
}

bool state_scan_value(struct state_scan *scan)
{
    const char *text;
    size_t len;
    state_scan_space(scan);
    if (scan->at == scan->end)
        return false;
    switch (*scan->at) {
    case '{':
        scan->at++;
        return scan_container(scan, '}');
    case '[':
        scan->at++;
        return scan_container(scan, ']');
    case '"':
        scan->at++;
        return state_scan_string(scan, &text, &len);
    case 't':
        return scan_word(scan, "true");
    case 'f':
        return scan_word(scan, "false");
    case 'n':
        return scan_word(scan, "null");
    default:
        return scan_number(scan);
    }
}

/* A half of a surrogate pair alone keeps its own three bytes: it is only ever compared. */
static size_t put_code_point(unsigned code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | (code >> 6));
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | (code >> 12));
        out[1] = (char)(0x80 | ((code >> 6) & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | (code >> 18));
    out[1] = (char)(0x80 | ((code >> 12) & 0x3F));
    out[2] = (char)(0x80 | ((code >> 6) & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

size_t state_scan_unescape(const char *text, const char *end, char *out, size_t *out_len)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    unsigned unit, low;
    if (text[1] != 'u') {
        const char *letter = strchr(from, text[1]);
        out[0] = letter ? to[letter - from] : text[1];
        *out_len = 1;
        return 2;
    }
    bool ok = hex4(text + 2, end, &unit);
    assert(ok); /* the scanner has seen it */
    if (unit >= 0xD800 && unit < 0xDC00 && end - text >= 12 && text[6] == '\\' && text[7] == 'u' &&
        hex4(text + 8, end, &low) && low >= 0xDC00 && low < 0xE000) {
        *out_len = put_code_point(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00), out);
        return 12;
    }
    *out_len = put_code_point(unit, out);
    return 6;
}
