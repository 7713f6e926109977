#include "get.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "address.h"
#include "charset.h"
#include "robots.h"

#define MAX_HOPS          5
#define MAX_ROBOTS_BYTES  (500u * 1024) /* RFC 9309: at least that much is to be read */
#define ROBOTS_LIFE_MS    (3600u * 1000)
#define ROBOTS_TIMEOUT_MS 5000u
#define MAX_TYPE          200

/* What came back, copied. */
struct answer {
    enum antiphon_status status;
    int http_status;
    char type[MAX_TYPE], why[200];
    char *location, *body; /* owned */
    size_t len;
};

void get_open(struct get *get)
{
    pthread_mutex_init(&get->lock, NULL);
}

void get_close(struct get *get)
{
    for (size_t i = 0; i < GET_ROBOTS; i++) {
        free(get->known[i].origin);
        free(get->known[i].text);
    }
    pthread_mutex_destroy(&get->lock);
}

void got_free(struct got *got)
{
    free(got->url);
    free(got->body);
    *got = (struct got){0};
}

/* ---- one request ----------------------------------------------------------------------------- */

/* The value of the last header of that name, NULL if there is none. Caller frees. */
static char *header(const char *lines, const char *name)
{
    size_t len = strlen(name);
    char *value = NULL;

    for (const char *at = lines; at && *at; at += strcspn(at, "\n"), at += *at == '\n') {
        if (strncasecmp(at, name, len) != 0 || at[len] != ':')
            continue;
        const char *start = at + len + 1 + strspn(at + len + 1, " \t");
        free(value);
        value = strndup(start, strcspn(start, "\r\n"));
    }
    return value;
}

static void on_answer(void *ctx, const struct antiphon_http_response *response)
{
    struct answer *answer = ctx;
    char *type = header(response->headers, "content-type");

    answer->status = (enum antiphon_status)response->status;
    answer->http_status = response->http_status;
    (void)snprintf(answer->why, sizeof(answer->why), "%s", response->error ? response->error : "");
    (void)snprintf(answer->type, sizeof(answer->type), "%s", type ? type : "");
    free(type);
    if (answer->status != ANTIPHON_OK)
        return;
    answer->location = header(response->headers, "location");
    answer->body = malloc(response->body_len + 1);
    if (!answer->body) {
        answer->status = ANTIPHON_ENOMEM;
        return;
    }
    if (response->body_len)
        memcpy(answer->body, response->body, response->body_len);
    answer->body[response->body_len] = '\0';
    answer->len = response->body_len;
}

static void answer_free(struct answer *answer)
{
    free(answer->location);
    free(answer->body);
    *answer = (struct answer){0};
}

static void ask(struct get *get, const struct antiphon_call *call, const char *url,
                uint32_t timeout_ms, uint32_t max_bytes, uint32_t flags, struct answer *answer)
{
    const char *const headers[] = {"User-Agent", get->agent, "Accept",
                                   "text/html,application/xhtml+xml,text/plain;q=0.9,*/*;q=0.5",
                                   NULL};
    uint64_t now = get->h->now_ms(get->h);
    uint64_t left = call->deadline_ms > now ? call->deadline_ms - now : 1;
    struct antiphon_http_request request = {
        .struct_size = sizeof(request),
        .timeout_ms = left < timeout_ms ? (uint32_t)left : timeout_ms,
        .max_body = max_bytes,
        .flags = flags | (get->allow_private ? ANTIPHON_HTTP_ALLOW_PRIVATE : 0),
        .method = "GET",
        .url = url,
        .headers = headers,
    };

    *answer = (struct answer){0};
    enum antiphon_status status = get->h->http_wait(get->h, call, &request, on_answer, answer);
    if (status != ANTIPHON_OK)
        answer->status = status;
}

/* ---- robots.txt ------------------------------------------------------------------------------ */

static size_t product(const char *agent)
{
    return strcspn(agent, "/ ");
}

/* 1: yes, 0: no, -1: its robots.txt is not known. */
static int known_allow(struct get *get, const char *url, size_t origin)
{
    int verdict = -1;
    char agent[64];

    (void)snprintf(agent, sizeof(agent), "%.*s", (int)product(get->agent), get->agent);
    pthread_mutex_lock(&get->lock);
    for (size_t i = 0; i < GET_ROBOTS && verdict < 0; i++) {
        const struct get_robots *known = &get->known[i];
        if (known->origin && strlen(known->origin) == origin &&
            !strncmp(known->origin, url, origin) && known->until_ms > get->h->now_ms(get->h))
            verdict =
                known->text && robots_allow(known->text, known->len, agent, address_path(url));
    }
    pthread_mutex_unlock(&get->lock);
    return verdict;
}

/* Takes text. */
static void remember(struct get *get, const char *url, size_t origin, char *text, size_t len)
{
    struct get_robots made = {strndup(url, origin), text, len,
                              get->h->now_ms(get->h) + ROBOTS_LIFE_MS};

    pthread_mutex_lock(&get->lock);
    struct get_robots *place = &get->known[get->next++ % GET_ROBOTS];
    struct get_robots old = *place;
    *place = made;
    pthread_mutex_unlock(&get->lock);
    free(old.origin);
    free(old.text);
}

/* RFC 9309: no file, no rules; a server in trouble means that nothing may be read now, which is not
 * remembered. */
static enum antiphon_status check_robots(struct get *get, const struct antiphon_call *call,
                                         const char *url, char *why)
{
    size_t origin = address_origin(url);
    char at[ADDRESS_MAX_BYTES + 16];
    struct answer answer = {0};
    enum antiphon_status status = ANTIPHON_OK;

    if (!get->robots)
        return ANTIPHON_OK;
    int allowed = known_allow(get, url, origin);
    if (allowed < 0) {
        (void)snprintf(at, sizeof(at), "%.*s/robots.txt", (int)origin, url);
        ask(get, call, at, ROBOTS_TIMEOUT_MS, MAX_ROBOTS_BYTES, 0, &answer);
        status = answer.status;
        if (status == ANTIPHON_OK && answer.http_status >= 500)
            status = ANTIPHON_EUNAVAILABLE;
        if (status == ANTIPHON_OK) {
            bool rules = answer.http_status >= 200 && answer.http_status < 300;
            remember(get, url, origin, answer.body, rules ? answer.len : 0);
            answer.body = NULL;
            allowed = known_allow(get, url, origin);
        }
    }
    if (status == ANTIPHON_OK && allowed == 0)
        status = ANTIPHON_EDENIED;
    if (status == ANTIPHON_EDENIED && allowed == 0)
        (void)snprintf(why, GET_MAX_WHY,
                       "the site's robots.txt does not allow programs to read that page");
    else if (status == ANTIPHON_EDENIED)
        (void)snprintf(why, GET_MAX_WHY,
                       "that address is on a private network, which may not be read");
    else if (status == ANTIPHON_ECANCELLED)
        (void)snprintf(why, GET_MAX_WHY, "the call was cancelled");
    else if (status)
        (void)snprintf(why, GET_MAX_WHY,
                       "the site cannot be asked now whether programs may read it (robots.txt: %s)",
                       answer.http_status >= 500 ? "an error of the server"
                       : answer.why[0]           ? answer.why
                                                 : "no answer");
    answer_free(&answer);
    return status;
}

/* ---- the kind of content --------------------------------------------------------------------- */

static bool begins(const char *text, const char *with)
{
    return strncasecmp(text, with, strlen(with)) == 0;
}

static bool is_text_type(const char *type)
{
    size_t len = strcspn(type, "; \t");

    return begins(type, "text/") || begins(type, "application/json") ||
           begins(type, "application/xml") || begins(type, "application/javascript") ||
           begins(type, "application/yaml") || begins(type, "application/rss+xml") ||
           begins(type, "application/atom+xml") ||
           (len > 5 && !strncasecmp(type + len - 5, "+json", 5)) ||
           (len > 4 && !strncasecmp(type + len - 4, "+xml", 4));
}

static enum antiphon_status kind_of(const struct answer *answer, enum get_kind *kind, char *why)
{
    size_t head = answer->len < 512 ? answer->len : 512;
    const char *type = answer->type;
    bool utf16 = head >= 2 && (!memcmp(answer->body, "\xFE\xFF", 2) ||
                               !memcmp(answer->body, "\xFF\xFE", 2) || strcasestr(type, "utf-16"));

    *kind = GET_TEXT;
    if (begins(type, "application/pdf") || (head >= 5 && !memcmp(answer->body, "%PDF-", 5))) {
        (void)snprintf(
            why, GET_MAX_WHY,
            "that address is a PDF document, and web_fetch reads web pages and plain text only; "
            "look for a page about it");
        return ANTIPHON_EINVAL;
    }
    if (begins(type, "text/html") || begins(type, "application/xhtml+xml")) {
        *kind = GET_HTML;
    } else if (!*type && head > 0 && answer->body[strspn(answer->body, " \t\r\n")] == '<') {
        *kind = GET_HTML;
    } else if (*type && !is_text_type(type)) {
        (void)snprintf(
            why, GET_MAX_WHY,
            "that address is of the type %.*s, and web_fetch reads web pages and plain text only",
            (int)strcspn(type, "; \t"), type);
        return ANTIPHON_EINVAL;
    }
    if (!utf16 && head > 0 && memchr(answer->body, '\0', head)) {
        (void)snprintf(why, GET_MAX_WHY, "that address is neither a web page nor text");
        return ANTIPHON_EINVAL;
    }
    return ANTIPHON_OK;
}

/* ---- the page -------------------------------------------------------------------------------- */

static enum antiphon_status explain(const struct get *get, const struct answer *answer, char *why)
{
    switch (answer->status) {
    case ANTIPHON_OK:
        break;
    case ANTIPHON_EDENIED:
        (void)snprintf(why, GET_MAX_WHY,
                       "that address is on a private network, which may not be read");
        return answer->status;
    case ANTIPHON_ETOOBIG:
        (void)snprintf(why, GET_MAX_WHY, "the page is larger than %u bytes, the most that is read",
                       get->max_bytes);
        return answer->status;
    case ANTIPHON_ETIMEOUT:
        (void)snprintf(why, GET_MAX_WHY, "the site did not answer in time");
        return answer->status;
    case ANTIPHON_ECANCELLED:
        (void)snprintf(why, GET_MAX_WHY, "the call was cancelled");
        return answer->status;
    default:
        (void)snprintf(why, GET_MAX_WHY, "the page cannot be reached: %s",
                       answer->why[0] ? answer->why : "no connection");
        return answer->status;
    }
    if (answer->http_status >= 200 && answer->http_status < 300)
        return ANTIPHON_OK;
    (void)snprintf(why, GET_MAX_WHY, "the site answered with HTTP status %d%s", answer->http_status,
                   answer->http_status == 404 || answer->http_status == 410
                       ? ": there is no such page"
                   : answer->http_status == 401 || answer->http_status == 403
                       ? ": it does not show this page to programs or strangers"
                       : "");
    return answer->http_status == 404 || answer->http_status == 410 ? ANTIPHON_ENOTFOUND
                                                                    : ANTIPHON_EUNAVAILABLE;
}

static bool is_redirect(const struct answer *answer)
{
    return answer->status == ANTIPHON_OK && answer->location && answer->http_status >= 301 &&
           answer->http_status <= 308 && answer->http_status != 304;
}

/* Where the redirect leads; NULL with a reason. */
static char *follow(const char *url, const struct answer *answer, char *why)
{
    char *next = address_join(url, answer->location);

    if (next && address_is_tls(url) && !address_is_tls(next)) {
        free(next);
        next = NULL;
    }
    if (!next)
        (void)snprintf(why, GET_MAX_WHY, "the site leads on to an address that cannot be read");
    return next;
}

enum antiphon_status get_page(struct get *get, const struct antiphon_call *call, const char *url,
                              struct got *got, char why[GET_MAX_WHY])
{
    char *at = strdup(url);
    struct answer answer = {0};
    enum antiphon_status status = at ? ANTIPHON_OK : ANTIPHON_ENOMEM;

    *got = (struct got){0};
    (void)snprintf(why, GET_MAX_WHY, "there was not enough memory for this");
    for (int hop = 0; !status; hop++) {
        status = check_robots(get, call, at, why);
        if (status)
            break;
        /* Every step is looked at: what may be read here says nothing about where it leads. */
        ask(get, call, at, get->timeout_ms, get->max_bytes, ANTIPHON_HTTP_NO_REDIRECT, &answer);
        if (!is_redirect(&answer))
            break;
        char *next = hop < MAX_HOPS ? follow(at, &answer, why) : NULL;
        if (hop == MAX_HOPS)
            (void)snprintf(why, GET_MAX_WHY, "the site leads in circles");
        if (!next)
            status = ANTIPHON_EPROTOCOL;
        free(at);
        at = next;
        answer_free(&answer);
    }
    if (!status)
        status = explain(get, &answer, why);
    if (!status)
        status = kind_of(&answer, &got->kind, why);
    if (!status) {
        got->body =
            charset_utf8(answer.body, answer.len, answer.type, got->kind == GET_HTML, &got->len);
        status = got->body ? ANTIPHON_OK : ANTIPHON_ENOMEM;
    }
    if (status)
        free(at);
    else
        got->url = at;
    answer_free(&answer);
    return status;
}
