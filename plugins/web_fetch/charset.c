#include "charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_LABEL 40
#define META_SCAN 4096

static const struct {
    const char *label, *name;
} aliases[] = {
    {"iso-8859-1", "WINDOWS-1252"},
    {"latin1", "WINDOWS-1252"},
    {"us-ascii", "WINDOWS-1252"},
    {"ascii", "WINDOWS-1252"},
    {"iso-8859-9", "WINDOWS-1254"},
    {"tis-620", "WINDOWS-874"},
    {"euc-kr", "CP949"},
    {"ks_c_5601-1987", "CP949"},
    {"ks_c_5601-1989", "CP949"},
    {"ksc5601", "CP949"},
    {"ksc_5601", "CP949"},
    {"korean", "CP949"},
    {"windows-949", "CP949"},
    {"shift_jis", "CP932"},
    {"shift-jis", "CP932"},
    {"sjis", "CP932"},
    {"x-sjis", "CP932"},
    {"windows-31j", "CP932"},
    {"gb2312", "GB18030"},
    {"gbk", "GB18030"},
    {"gb_2312-80", "GB18030"},
    {"x-gbk", "GB18030"},
    {"big5", "BIG5-HKSCS"},
    {"utf8", "UTF-8"},
    {"unicode-1-1-utf-8", "UTF-8"},
    {"utf-16", "UTF-16LE"},
    {"x-mac-roman", "MACINTOSH"},
};

static const char *name_of(const char *label)
{
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
        if (!strcasecmp(label, aliases[i].label))
            return aliases[i].name;
    }
    return label;
}

/* The value behind "charset=" in text; false: there is none. */
static bool find_label(const char *text, size_t len, char *label)
{
    for (size_t i = 0; i + 8 < len; i++) {
        if (strncasecmp(text + i, "charset", 7) != 0)
            continue;
        size_t at = i + 7, n = 0;
        while (at < len && strchr(" \t\r\n", text[at]))
            at++;
        if (at == len || text[at++] != '=')
            continue;
        while (at < len && strchr(" \t\r\n\"'", text[at]))
            at++;
        while (at < len && n + 1 < MAX_LABEL && text[at] && !strchr(" \t\r\n\"';,/>", text[at]))
            label[n++] = text[at++];
        label[n] = '\0';
        if (n > 0)
            return true;
    }
    return false;
}

static bool find_meta(const char *bytes, size_t len, char *label)
{
    size_t end = len < META_SCAN ? len : META_SCAN;

    for (size_t i = 0; i + 6 < end; i++) {
        if (strncasecmp(bytes + i, "<meta", 5) != 0)
            continue;
        const char *close = memchr(bytes + i, '>', end - i);
        size_t stop = close ? (size_t)(close - bytes) : end;
        if (find_label(bytes + i, stop - i, label)) {
            /* It could not have been read if it were true. */
            if (!strncasecmp(label, "utf-16", 6))
                (void)snprintf(label, MAX_LABEL, "UTF-8");
            return true;
        }
        i = stop;
    }
    return false;
}

/* Length of the UTF-8 character at p, 0 if it is none. */
static size_t utf8_char(const unsigned char *p, size_t left)
{
    size_t n = p[0] < 0x80                   ? 1
               : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
               : (p[0] & 0xf0) == 0xe0       ? 3
               : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                             : 0;

    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

static bool is_utf8(const char *bytes, size_t len)
{
    for (size_t i = 0, n; i < len; i += n) {
        n = utf8_char((const unsigned char *)bytes + i, len - i);
        if (n == 0)
            return false;
    }
    return true;
}

static const char replacement[] = "\xEF\xBF\xBD";

/* Every byte that belongs to no character, and every NUL, as U+FFFD. */
static char *repair(const char *bytes, size_t len, size_t *out_len)
{
    char *out = malloc(3 * len + 1);
    size_t to = 0;

    if (!out)
        return NULL;
    for (size_t i = 0; i < len;) {
        size_t n = bytes[i] ? utf8_char((const unsigned char *)bytes + i, len - i) : 0;
        memcpy(out + to, n ? bytes + i : replacement, n ? n : 3);
        to += n ? n : 3;
        i += n ? n : 1;
    }
    out[to] = '\0';
    *out_len = to;
    return out;
}

static char *convert(iconv_t from, const char *bytes, size_t len, size_t *out_len)
{
    size_t size = 4 * len + 16, left = size, in_left = len;
    char *out = malloc(size), *to = out, *in = (char *)(uintptr_t)bytes;

    while (out && in_left > 0) {
        if (iconv(from, &in, &in_left, &to, &left) != (size_t)-1)
            break;
        if (errno == E2BIG || left < 4)
            break;
        /* Not a character, or half of one at the end. */
        memcpy(to, replacement, 3);
        to += 3;
        left -= 3;
        in++;
        in_left--;
    }
    if (!out)
        return NULL;
    char *clean = repair(out, size - left, out_len);
    free(out);
    return clean;
}

char *charset_utf8(const char *bytes, size_t len, const char *content_type, bool html,
                   size_t *out_len)
{
    char label[MAX_LABEL] = "";
    iconv_t from = (iconv_t)-1;

    if (len >= 3 && !memcmp(bytes, "\xEF\xBB\xBF", 3))
        return repair(bytes + 3, len - 3, out_len);
    if (len >= 2 && (!memcmp(bytes, "\xFE\xFF", 2) || !memcmp(bytes, "\xFF\xFE", 2))) {
        (void)snprintf(label, sizeof(label), "%s", *bytes == '\xFE' ? "UTF-16BE" : "UTF-16LE");
        bytes += 2;
        len -= 2;
    } else if (!(content_type && find_label(content_type, strlen(content_type), label)) &&
               !(html && find_meta(bytes, len, label))) {
        (void)snprintf(label, sizeof(label), "%s", is_utf8(bytes, len) ? "UTF-8" : "WINDOWS-1252");
    }
    const char *name = name_of(label);
    if (!strcasecmp(name, "UTF-8"))
        return repair(bytes, len, out_len);
    from = iconv_open("UTF-8", name);
    if (from == (iconv_t)-1) /* nobody knows that name */
        return repair(bytes, len, out_len);
    char *out = convert(from, bytes, len, out_len);
    iconv_close(from);
    return out;
}
