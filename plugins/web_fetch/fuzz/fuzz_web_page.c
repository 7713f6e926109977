/* Any bytes as a page; the first chooses the label of the charset. */
#include <stdint.h>
#include <stdlib.h>

#include "charset.h"
#include "page.h"
#include "robots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {NULL, "text/html; charset=euc-kr",
                                        "text/html;charset=utf-16be",
                                        "text/html; charset=\"shift_jis\""};
    struct page page;
    size_t len = 0;

    if (size == 0)
        return 0;
    char *text = charset_utf8((const char *)data + 1, size - 1, types[data[0] % 4], true, &len);
    if (text && !page_read(text, len, "https://example.com/a/b", 8, &page))
        page_free(&page);
    if (text)
        (void)robots_allow(text, len, "antiphon", "/a/b?c=%7e");
    free(text);
    return 0;
}
