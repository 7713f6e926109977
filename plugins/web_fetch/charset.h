/* charset - bytes of a page as UTF-8. Pure. Labels mean what browsers take them for (WHATWG
 * Encoding): "euc-kr" is CP949, "iso-8859-1" is windows-1252, and so on. */
#ifndef WEB_FETCH_CHARSET_H
#define WEB_FETCH_CHARSET_H
#include <stdbool.h>
#include <stddef.h>

/* NUL-terminated, caller frees; NULL: no memory. In this order decide: a byte order mark, the
 * charset of the Content-Type header (may be NULL), with `html` a <meta> in the first 4 KiB, else
 * UTF-8 if it is that, else windows-1252. What cannot be read becomes U+FFFD; U+0000 too. */
char *charset_utf8(const char *bytes, size_t len, const char *content_type, bool html,
                   size_t *out_len);
#endif
