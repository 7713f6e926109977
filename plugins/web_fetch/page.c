#include "page.h"

#include <libxml/HTMLparser.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "address.h"

#define MAX_DEPTH      256
#define MAX_LINK_TEXT  200
#define MIN_MAIN_SHARE 4 /* a main part that holds less than a fourth of the text is not trusted   \
                          */

struct reader {
    FILE *out;
    char *text; /* what out has written; owned */
    size_t len;
    size_t letters;
    int lines;  /* line ends due before the next letter */
    bool space; /* a space is due before it */
    bool all;   /* navigation and the like, too */
    const char *base;
    struct page *page; /* gets the links; NULL: nobody wants them */
    size_t max_links;
};

static bool among(const xmlNode *node, const char *const *names)
{
    for (size_t i = 0; names[i]; i++) {
        if (!strcasecmp((const char *)node->name, names[i]))
            return true;
    }
    return false;
}

static bool has(xmlNode *node, const char *attribute, const char *value)
{
    xmlChar *text = xmlGetProp(node, (const xmlChar *)attribute);
    bool is = text && (!value || strcasestr((const char *)text, value));

    xmlFree(text);
    return is;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void put(struct reader *reader, char c)
{
    if (reader->letters > 0 && reader->lines > 0)
        (void)fputs(reader->lines > 1 ? "\n\n" : "\n", reader->out);
    else if (reader->letters > 0 && reader->space)
        (void)fputc(' ', reader->out);
    reader->lines = 0;
    reader->space = false;
    reader->letters++;
    (void)fputc(c, reader->out);
}

static void put_text(struct reader *reader, const char *text, bool as_it_is)
{
    for (; *text; text++) {
        if (text[0] == '\xC2' && text[1] == '\xA0') {
            reader->space = true;
            text++;
        } else if (as_it_is && *text == '\n') {
            if (reader->lines < 2)
                reader->lines++;
        } else if (as_it_is && *text == ' ' && reader->letters > 0) {
            put(reader, ' ');
        } else if (strchr(" \t\r\n\f", *text)) {
            reader->space = true;
        } else {
            put(reader, *text);
        }
    }
}

static void end_line(struct reader *reader, int lines)
{
    if (reader->lines < lines)
        reader->lines = lines;
    reader->space = false;
}

/* ---- links ----------------------------------------------------------------------------------- */

/* The text of a link in one line, cut between characters. */
static char *link_text(xmlNode *node)
{
    xmlChar *content = xmlNodeGetContent(node);
    char *out = malloc(MAX_LINK_TEXT + 1);
    size_t to = 0;
    bool space = false;

    for (const char *at = (const char *)content; out && at && *at; at++) {
        if (strchr(" \t\r\n\f", *at)) {
            space = to > 0;
            continue;
        }
        if (to + 5 > MAX_LINK_TEXT && (*at & 0xc0) != 0x80)
            break;
        if (space)
            out[to++] = ' ';
        space = false;
        out[to++] = *at;
    }
    if (out)
        out[to] = '\0';
    xmlFree(content);
    return out;
}

static void add_link(struct reader *reader, xmlNode *node)
{
    struct page *page = reader->page;
    xmlChar *href = page && page->links_n < reader->max_links
                        ? xmlGetProp(node, (const xmlChar *)"href")
                        : NULL;
    char *url =
        href && *href && *href != '#' ? address_join(reader->base, (const char *)href) : NULL;
    char *text = url ? link_text(node) : NULL;
    bool wanted = text && *text && strcmp(url, reader->base) != 0;

    for (size_t i = 0; wanted && i < page->links_n; i++)
        wanted = strcmp(page->links[i].url, url) != 0;
    xmlFree(href);
    if (wanted) {
        page->links[page->links_n++] = (struct page_link){text, url};
        return;
    }
    free(url);
    free(text);
}

/* ---- walking --------------------------------------------------------------------------------- */

static const char *const never[] = {"script", "style",  "noscript", "template", "svg",
                                    "math",   "head",   "iframe",   "object",   "canvas",
                                    "select", "button", NULL};
static const char *const around[] = {"nav", "aside", "footer", "header", "form", "dialog", NULL};
static const char *const paragraphs[] = {"p",       "h1",      "h2", "h3",         "h4",  "h5",
                                         "h6",      "ul",      "ol", "blockquote", "pre", "table",
                                         "section", "article", "dl", "figure",     "hr",  NULL};
static const char *const lines[] = {
    "div",     "li",      "tr",      "dt",     "dd",     "br",  "main",  "figcaption", "caption",
    "address", "summary", "details", "header", "footer", "nav", "aside", "option",     NULL};
static const char *const headings[] = {"h1", "h2", "h3", "h4", "h5", "h6", NULL};
static const char *const cells[] = {"td", "th", NULL};
static const char *const items[] = {"li", NULL};
static const char *const verbatim[] = {"pre", NULL};
static const char *const anchors[] = {"a", NULL};

static bool is_skipped(const struct reader *reader, xmlNode *node)
{
    if (among(node, never) || has(node, "hidden", NULL) || has(node, "aria-hidden", "true") ||
        has(node, "style", "display:none") || has(node, "style", "display: none"))
        return true;
    return !reader->all && (among(node, around) || has(node, "role", "navigation"));
}

static void walk(struct reader *reader, xmlNode *node, int depth, bool as_it_is);

static void walk_element(struct reader *reader, xmlNode *node, int depth, bool as_it_is)
{
    if (is_skipped(reader, node))
        return;
    int ends = among(node, paragraphs) ? 2 : among(node, lines) ? 1 : 0;
    if (ends)
        end_line(reader, ends);
    if (among(node, headings)) {
        for (char level = '0'; level < node->name[1]; level++)
            put(reader, '#');
        reader->space = true;
    } else if (among(node, items)) {
        put(reader, '-');
        reader->space = true;
    } else if (among(node, cells) && node->prev && reader->letters > 0) {
        put_text(reader, " | ", false);
    }
    if (among(node, anchors))
        add_link(reader, node);
    walk(reader, node->children, depth + 1, as_it_is || among(node, verbatim));
    if (ends)
        end_line(reader, ends);
}

static void walk(struct reader *reader, xmlNode *node, int depth, bool as_it_is)
{
    for (; node && depth <= MAX_DEPTH; node = node->next) {
        if (node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE)
            put_text(reader, (const char *)node->content, as_it_is);
        else if (node->type == XML_ELEMENT_NODE)
            walk_element(reader, node, depth, as_it_is);
    }
}

/* The text below a node as a new string; its number of letters in *letters. */
static char *read_below(xmlNode *node, bool all, const char *base, size_t max_links,
                        struct page *page, size_t *letters)
{
    struct reader reader = {.all = all, .base = base, .page = page, .max_links = max_links};

    *letters = 0;
    reader.out = open_memstream(&reader.text, &reader.len);
    if (!reader.out)
        return NULL;
    walk(&reader, node->children, 0, false);
    *letters = reader.letters;
    if (fclose(reader.out) == 0)
        return reader.text;
    free(reader.text);
    return NULL;
}

/* The first element below node in document order that fits. */
static xmlNode *find(xmlNode *node, const char *name, const char *role)
{
    xmlNode *at = node;

    while (at) {
        if (at->type == XML_ELEMENT_NODE && (!strcasecmp((const char *)at->name, name)) &&
            (!role || has(at, "role", role)))
            return at;
        if (at->type == XML_ELEMENT_NODE && role && has(at, "role", role))
            return at;
        if (at->children && at->type != XML_ENTITY_REF_NODE) {
            at = at->children;
            continue;
        }
        while (at && at != node && !at->next)
            at = at->parent;
        at = at && at != node ? at->next : NULL;
    }
    return NULL;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static xmlNode *main_part(xmlNode *body, const char *base)
{
    size_t whole = 0, part = 0;
    xmlNode *found = find(body, "main", NULL);

    if (!found)
        found = find(body, "", "main");
    if (!found)
        found = find(body, "article", NULL);
    if (!found)
        return body;
    free(read_below(body, false, base, 0, NULL, &whole));
    free(read_below(found, false, base, 0, NULL, &part));
    return part > 0 && part >= whole / MIN_MAIN_SHARE ? found : body;
}

static void drop_links(struct page *page)
{
    for (size_t i = 0; i < page->links_n; i++) {
        free(page->links[i].text);
        free(page->links[i].url);
    }
    page->links_n = 0;
}

static char *title_of(xmlNode *root)
{
    xmlNode *title = find(root, "title", NULL);
    size_t letters;

    return title ? read_below(title, true, "", 0, NULL, &letters) : strdup("");
}

/* Addresses on the page start from <base> if it has one. */
static char *base_of(xmlNode *root, const char *url)
{
    xmlNode *node = find(root, "base", NULL);
    xmlChar *href = node ? xmlGetProp(node, (const xmlChar *)"href") : NULL;
    char *base = href ? address_join(url, (const char *)href) : NULL;

    xmlFree(href);
    return base ? base : strdup(url);
}

enum antiphon_status page_read(const char *html, size_t len, const char *url, size_t max_links,
                               struct page *page)
{
    enum antiphon_status status = ANTIPHON_ENOMEM;
    size_t letters = 0;
    htmlDocPtr doc = htmlReadMemory(html, (int)len, NULL, "UTF-8",
                                    HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                                        HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    char *base = NULL;

    *page = (struct page){0};
    if (!root) {
        status = ANTIPHON_EINVAL;
        goto out;
    }
    base = base_of(root, url);
    page->title = title_of(root);
    page->links = calloc(max_links ? max_links : 1, sizeof(*page->links));
    if (!base || !page->title || !page->links)
        goto out;
    xmlNode *body = find(root, "body", NULL);
    xmlNode *part = main_part(body ? body : root, base);
    page->text = read_below(part, false, base, max_links, page, &letters);
    if (page->text && letters == 0) { /* all of it is what usually stands around a text */
        free(page->text);
        drop_links(page);
        page->text = read_below(body ? body : root, true, base, max_links, page, &letters);
    }
    if (page->text)
        status = ANTIPHON_OK;
out:
    free(base);
    xmlFreeDoc(doc);
    if (status)
        page_free(page);
    return status;
}

void page_free(struct page *page)
{
    drop_links(page);
    free(page->links);
    free(page->title);
    free(page->text);
    *page = (struct page){0};
}
