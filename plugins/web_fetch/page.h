/* page - an HTML page as text that can be read aloud or reasoned about. Pure; libxml2's parser does
 * the parsing and repairs what is broken. Elements nested deeper than 256 levels are left away. */
#ifndef WEB_FETCH_PAGE_H
#define WEB_FETCH_PAGE_H
#include <stddef.h>

#include "antiphon/plugin.h"

struct page_link {
    char *text, *url; /* owned */
};

struct page {
    char *title; /* owned, "" if it has none */
    char *text;  /* owned; paragraphs are separated by empty lines, headings begin with "#", items
                    with "-" */
    struct page_link *links; /* owned; of the main part, absolute, each once */
    size_t links_n;
};

/* html is UTF-8 with a NUL behind it. The main part is what <main>, role="main" or <article> says,
 * else the body without navigation, header, footer, forms and what is hidden. EINVAL: nothing of it
 * can be parsed. */
enum antiphon_status page_read(const char *html, size_t len, const char *url, size_t max_links,
                               struct page *page);
void page_free(struct page *page);
#endif
