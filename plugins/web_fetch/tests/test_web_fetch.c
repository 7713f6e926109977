#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "charset.h"
#include "page.h"
#include "robots.h"
#include "web.h"

/* ---- the parts ------------------------------------------------------------------------------- */

static void check_clean(const char *text, const char *expected)
{
    char *got = address_clean(text);

    if (expected)
        assert_string_equal(got, expected);
    else
        assert_null(got);
    free(got);
}

static void check_join(const char *base, const char *reference, const char *expected)
{
    char *got = address_join(base, reference);

    if (expected)
        assert_string_equal(got, expected);
    else
        assert_null(got);
    free(got);
}

static void addresses(void **state)
{
    (void)state;
    check_clean("https://example.com", "https://example.com/");
    check_clean(" Example.COM/A#part ", "https://example.com/A");
    check_clean("localhost:8080/x?y=1", "https://localhost:8080/x?y=1");
    check_clean("http://e.com?q=a b", "http://e.com/?q=a%20b");
    check_clean("http://e.com/\xED\x95\x9C", "http://e.com/%ED%95%9C");
    check_clean("ftp://e.com/", NULL);
    check_clean("javascript:alert(1)", NULL);
    check_clean("file:///etc/passwd", NULL);
    check_clean("https://user:word@e.com/", NULL);
    check_clean("https:///x", NULL);
    check_clean("", NULL);
    check_join("https://e.com/a/b?c", "../d e", "https://e.com/d%20e");
    check_join("https://e.com/a/b", "//f.com/g", "https://f.com/g");
    check_join("https://e.com/a/b", "?q", "https://e.com/a/b?q");
    check_join("https://e.com/a/b", "mailto:x@e.com", NULL);
}

static bool allowed(const char *text, const char *path)
{
    return robots_allow(text, strlen(text), "antiphon", path);
}

static void robots(void **state)
{
    (void)state;
    assert_true(allowed("", "/x"));
    assert_false(allowed("User-agent: *\nDisallow: /", "/x"));
    assert_true(allowed("User-agent: *\nDisallow: /", "/robots.txt"));
    assert_true(allowed("User-agent: *\nDisallow:\n", "/x"));
    /* The group that names the program counts alone; both of them. */
    static const char two[] =
        "user-agent: other\nuser-agent: Antiphon/2\ndisallow: /a\n\n"
        "User-Agent: *\nDisallow: /\nUser-agent: antiphon\nDisallow: /b # why\r\n";
    assert_true(allowed(two, "/c"));
    assert_false(allowed(two, "/a/1"));
    assert_false(allowed(two, "/b"));
    /* The longest rule decides, and "allow" among equals. */
    static const char longest[] =
        "User-agent: *\nDisallow: /p\nAllow: /p/open\nAllow: /same\nDisallow: /same\n";
    assert_false(allowed(longest, "/p/x"));
    assert_true(allowed(longest, "/p/open/y"));
    assert_true(allowed(longest, "/same"));
    static const char wild[] =
        "User-agent: *\nDisallow: /*.php$\nDisallow: /a*b*c\nDisallow: /%7Eme\n";
    assert_false(allowed(wild, "/x/index.php"));
    assert_true(allowed(wild, "/x/index.php?y"));
    assert_false(allowed(wild, "/a1b2c3"));
    assert_true(allowed(wild, "/a1c2b3"));
    assert_false(allowed(wild, "/~me/x"));
    assert_true(allowed("Disallow: /\n", "/x"));
}

static void check_charset(const char *bytes, size_t len, const char *type, bool html,
                          const char *expected)
{
    size_t got_len = 0;
    char *got = charset_utf8(bytes, len, type, html, &got_len);

    assert_string_equal(got, expected);
    assert_int_equal(got_len, strlen(expected));
    free(got);
}

static void charsets(void **state)
{
    static const char korean[] = "<meta charset=\"euc-kr\">\xC7\xD1";

    (void)state;
    check_charset("\xC3\xA4", 2, NULL, false, "\xC3\xA4");
    check_charset("\xE4", 1, NULL, false, "\xC3\xA4");
    check_charset("\x80", 1, "text/html; charset=ISO-8859-1", true, "\xE2\x82\xAC");
    check_charset("\xC7\xD1", 2, "text/plain; charset=\"EUC-KR\"", false, "\xED\x95\x9C");
    check_charset(korean, strlen(korean), "text/html", true,
                  "<meta charset=\"euc-kr\">\xED\x95\x9C");
    /* The header comes before <meta>, the mark before both. */
    check_charset("<meta charset=euc-kr>\xC3\xA4", 23, "text/html;charset=utf-8", true,
                  "<meta charset=euc-kr>\xC3\xA4");
    check_charset("\xEF\xBB\xBF\xC3\xA4", 5, "text/html;charset=euc-kr", true, "\xC3\xA4");
    check_charset("\xFF\xFE\x41\x00", 4, NULL, true, "A");
    check_charset("\xFE\xFF\x00\x41", 4, NULL, true, "A");
    check_charset("a\xFFz", 3, "text/html; charset=utf-8", true, "a\xEF\xBF\xBDz");
    check_charset("a\xED\xA0\x80z", 5, "text/html; charset=utf-8", true,
                  "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz");
    check_charset("a\x81", 2, "text/plain; charset=shift_jis", true, "a\xEF\xBF\xBD");
    check_charset("abc", 3, "text/plain; charset=nobody-knows", true, "abc");
    check_charset("", 0, NULL, true, "");
}

static void check_page(const char *html, const char *title, const char *text)
{
    struct page page;

    assert_int_equal(page_read(html, strlen(html), "https://e.com/a/", 10, &page), ANTIPHON_OK);
    assert_string_equal(page.title, title);
    assert_string_equal(page.text, text);
    page_free(&page);
}

static void pages(void **state)
{
    struct page page;

    (void)state;
    check_page("<title> A  &amp; B </title><p>One<p>Two  <b>bold</b>&nbsp;x<br>Three", "A & B",
               "One\n\nTwo bold x\nThree");
    check_page(
        "<body><nav>Menu</nav><h2>Head</h2><ul><li>a</li><li>b</li></ul><script>no()</script>"
        "<table><tr><th>k</th><th>v</th></tr><tr><td>1</td><td>2</td></tr></table>"
        "<p hidden>secret<p style='display:none'>secret</p><footer>End</footer>",
        "", "## Head\n\n- a\n- b\n\nk | v\n1 | 2");
    check_page("<div>Around around</div><main><p>The text itself is this.</p></main>", "",
               "The text itself is this.");
    /* A main part that holds next to nothing is not believed. */
    check_page("<main>x</main><p>The text stands somewhere else, as it does</p>", "",
               "x\n\nThe text stands somewhere else, as it does");
    check_page("<nav><a href=/x>Only this</a></nav>", "", "Only this");
    check_page("<pre>a\n  b</pre>", "", "a\n  b");
    check_page("plain", "", "plain");
    check_page("<p>\xED\x95\x9C\xEA\xB8\x80<meta charset=euc-kr>\xED\x95\x9C", "",
               "\xED\x95\x9C\xEA\xB8\x80\xED\x95\x9C");
    assert_int_equal(page_read("", 0, "https://e.com/", 10, &page), ANTIPHON_EINVAL);
}

static void links(void **state)
{
    static const char html[] =
        "<base href='/b/'><main>A text with <a href='c#x'>some <i>links</i></a>, "
        "<a href='c'>again</a>, <a href='#here'>here</a>, <a href='mailto:x@y'>m</a>, "
        "<a href='https://f.com'>F</a> <a href=d><img src=x></a></main>";
    struct page page;

    (void)state;
    assert_int_equal(page_read(html, strlen(html), "https://e.com/a/", 10, &page), ANTIPHON_OK);
    assert_int_equal(page.links_n, 2);
    assert_string_equal(page.links[0].url, "https://e.com/b/c");
    assert_string_equal(page.links[0].text, "some links");
    assert_string_equal(page.links[1].url, "https://f.com/");
    page_free(&page);
    assert_int_equal(page_read(html, strlen(html), "https://e.com/a/", 1, &page), ANTIPHON_OK);
    assert_int_equal(page.links_n, 1);
    page_free(&page);
}

static void deep_page(void **state)
{
    enum { DEEP = 100000 };
    char *html = malloc(5 * DEEP + 1);
    struct page page;

    (void)state;
    for (size_t i = 0; i < DEEP; i++)
        memcpy(html + 5 * i, "<div>", 6);
    if (page_read(html, 5 * DEEP, "https://e.com/", 10, &page) == ANTIPHON_OK)
        page_free(&page);
    free(html);
}

/* ---- the tool -------------------------------------------------------------------------------- */

static struct web_answer site(struct web *web, const struct web_asked *asked)
{
    static const struct {
        const char *path;
        struct web_answer answer;
    } all[] = {
        {"https://e.com/robots.txt", {0, 200, "", "User-agent: *\nDisallow: /private", 0, NULL}},
        {"https://e.com/page",
         {0, 200, "Content-Type: text/html; charset=euc-kr\r\n",
          "<title>T</title><p>\xC7\xD1<a href=x>L</a>", 0, NULL}},
        {"https://e.com/long", {0, 200, "content-type: text/plain\r\n", NULL, 0, NULL}},
        {"https://e.com/pdf", {0, 200, "Content-Type: application/pdf\r\n", "%PDF-1.7", 0, NULL}},
        {"https://e.com/hidden.pdf", {0, 200, "Content-Type: text/html\r\n", "%PDF-1.7", 0, NULL}},
        {"https://e.com/image", {0, 200, "Content-Type: image/png\r\n", "\x89PNG", 0, NULL}},
        {"https://e.com/binary", {0, 200, "", "a\0b", 3, NULL}},
        {"https://e.com/json", {0, 200, "Content-Type: application/ld+json\r\n", "{}", 0, NULL}},
        {"https://e.com/gone", {0, 404, "", "", 0, NULL}},
        {"https://e.com/empty", {0, 200, "Content-Type: text/html\r\n", "", 0, NULL}},
        {"https://e.com/big", {ANTIPHON_ETOOBIG, 0, NULL, NULL, 0, "the answer is too long"}},
        {"https://e.com/slow", {ANTIPHON_ETIMEOUT, 0, NULL, NULL, 0, "timeout"}},
        {"https://e.com/inside",
         {ANTIPHON_EDENIED, 0, NULL, NULL, 0, "the address is not a public one"}},
        {"https://e.com/moved", {0, 302, "Location: /page\r\n", "", 0, NULL}},
        {"https://e.com/leak", {0, 302, "Location: https://e.com/inside\r\n", "", 0, NULL}},
        {"https://e.com/away", {0, 301, "location: https://f.com/private\r\n", "", 0, NULL}},
        {"https://e.com/down", {0, 301, "Location: http://e.com/page\r\n", "", 0, NULL}},
        {"https://e.com/loop", {0, 302, "Location: /loop\r\n", "", 0, NULL}},
        {"https://f.com/robots.txt", {0, 200, "", "User-agent: antiphon\nDisallow: /", 0, NULL}},
        {"https://g.com/robots.txt", {0, 404, "", "<p>no such file", 0, NULL}},
        {"https://g.com/", {0, 200, "", "<p>Hello", 0, NULL}},
        {"https://h.com/robots.txt", {0, 503, "", "", 0, NULL}},
    };

    (void)web;
    assert_string_equal(asked->method, "GET");
    assert_non_null(strstr(asked->headers, "User-Agent: antiphon/1.0"));
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(all[i].path, asked->url) != 0)
            continue;
        struct web_answer answer = all[i].answer;
        if (strstr(all[i].path, "/long"))
            answer.body = web->ctx;
        return answer;
    }
    fail_msg("asked for %s", asked->url);
    return (struct web_answer){0};
}

static void check_call(struct web *web, const char *url, enum antiphon_status status,
                       const char *says)
{
    char args[200];

    (void)snprintf(args, sizeof(args), "{\"url\":\"%s\"}", url);
    assert_int_equal(web_call(web, "web_fetch", args), status);
    if (!strstr(web->text, says))
        fail_msg("%s: '%s' is not in %s", url, says, web->text);
}

static void reads(void **state)
{
    struct web web = {.answer = site};

    (void)state;
    web_open(&web, "{}");
    check_call(&web, "https://e.com/page#x", ANTIPHON_OK, "\"title\":\"T\"");
    assert_string_equal(web_get(&web, "text"), "\xED\x95\x9CL");
    assert_non_null(strstr(web.text, "[{\"text\":\"L\",\"url\":\"https://e.com/x\"}]"));
    assert_int_equal(web.asked_n, 2); /* with robots.txt */
    check_call(&web, "e.com/moved", ANTIPHON_OK, "\"url\":\"https://e.com/page\"");
    check_call(&web, "https://e.com/json", ANTIPHON_OK, "\"text\":\"{}\"");
    check_call(&web, "https://g.com", ANTIPHON_OK, "Hello");
    assert_int_equal(web.asked[0].flags & ANTIPHON_HTTP_ALLOW_PRIVATE, 0);
    assert_true(web.asked[1].flags & ANTIPHON_HTTP_NO_REDIRECT);
    web_close(&web);
}

static void refuses(void **state)
{
    struct web web = {.answer = site};

    (void)state;
    web_open(&web, "{}");
    check_call(&web, "ftp://e.com/", ANTIPHON_EINVAL, "not the address of a web page");
    check_call(&web, "https://e.com/private", ANTIPHON_EDENIED, "robots.txt does not allow");
    check_call(&web, "https://e.com/away", ANTIPHON_EDENIED, "robots.txt does not allow");
    check_call(&web, "https://e.com/down", ANTIPHON_EPROTOCOL, "cannot be read");
    check_call(&web, "https://e.com/loop", ANTIPHON_EPROTOCOL, "in circles");
    check_call(&web, "https://h.com/", ANTIPHON_EUNAVAILABLE, "robots.txt: an error of the server");
    check_call(&web, "https://e.com/pdf", ANTIPHON_EINVAL, "PDF document");
    check_call(&web, "https://e.com/hidden.pdf", ANTIPHON_EINVAL, "PDF document");
    check_call(&web, "https://e.com/image", ANTIPHON_EINVAL, "image/png");
    check_call(&web, "https://e.com/binary", ANTIPHON_EINVAL, "neither a web page nor text");
    check_call(&web, "https://e.com/gone", ANTIPHON_ENOTFOUND, "404: there is no such page");
    check_call(&web, "https://e.com/empty", ANTIPHON_EINVAL, "empty");
    check_call(&web, "https://e.com/big", ANTIPHON_ETOOBIG, "2097152 bytes");
    check_call(&web, "https://e.com/slow", ANTIPHON_ETIMEOUT, "in time");
    check_call(&web, "https://e.com/inside", ANTIPHON_EDENIED, "private network");
    check_call(&web, "https://e.com/leak", ANTIPHON_EDENIED, "private network"); /* where it leads */
    web_close(&web);
}

static void settings(void **state)
{
    struct web web = {.answer = site};

    (void)state;
    web_open(&web, "{\"robots\":false,\"allow_private\":true,\"max_bytes\":5000,\"timeout_ms\":500,"
                   "\"max_links\":0}");
    check_call(&web, "https://e.com/page", ANTIPHON_OK, "T");
    assert_int_equal(web.asked_n, 1);
    assert_true(web.asked[0].flags & ANTIPHON_HTTP_ALLOW_PRIVATE);
    assert_int_equal(web.asked[0].max_body, 5000);
    assert_int_equal(web.asked[0].timeout_ms, 500);
    assert_null(strstr(web.text, "links"));
    web.call_ms = 100; /* the call's own end comes first */
    check_call(&web, "https://e.com/page", ANTIPHON_OK, "T");
    assert_int_equal(web.asked[1].timeout_ms, 100);
    web_close(&web);
}

static void parts(void **state)
{
    char text[1001] = "";
    struct web web = {.answer = site, .ctx = text};

    (void)state;
    for (int i = 0; i < 500; i++) /* two bytes a character */
        memcpy(text + 2 * i, i < 200 ? "\xC3\xA4" : i < 400 ? "\xC3\xB6" : "\xC3\xBC", 3);
    web_open(&web, "{\"max_chars\":200}");
    check_call(&web, "https://e.com/long", ANTIPHON_OK, "\"next\":200,\"length\":500");
    assert_int_equal(strlen(web_get(&web, "text")), 400);
    assert_int_equal(web_call(&web, "web_fetch", "{\"url\":\"e.com/long\",\"start\":400}"),
                     ANTIPHON_OK);
    assert_memory_equal(web_get(&web, "text"), "\xC3\xBC", 2);
    assert_null(strstr(web.text, "next"));
    assert_int_equal(web_call(&web, "web_fetch", "{\"url\":\"e.com/long\",\"start\":9999}"),
                     ANTIPHON_OK);
    assert_string_equal(web_get(&web, "text"), "");
    web_close(&web);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses), cmocka_unit_test(robots),  cmocka_unit_test(charsets),
        cmocka_unit_test(pages),     cmocka_unit_test(links),   cmocka_unit_test(deep_page),
        cmocka_unit_test(reads),     cmocka_unit_test(refuses), cmocka_unit_test(settings),
        cmocka_unit_test(parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
