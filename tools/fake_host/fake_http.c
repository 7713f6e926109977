/* fake_http - requests and their scripted answers; done() is called on a thread of its own, as in the real host. */
#include "fake_impl.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_MS 5 /* how soon a held http_wait() sees that its call was cancelled */

static void answer_free(struct fake_answer *answer)
{
    if (!answer)
        return;
    free(answer->method);
    free(answer->url);
    free(answer->headers);
    free(answer->body);
    free(answer->error);
    free(answer);
}

static void tell(const struct fake_answer *answer, antiphon_http_part_fn *part, antiphon_http_done_fn *done, void *ctx)
{
    struct antiphon_http_response response = {.struct_size = sizeof(response),
                                              .status = answer->status,
                                              .http_status = answer->http_status,
                                              .error = answer->status ? answer->error : NULL,
                                              .headers = answer->headers ? answer->headers : "",
                                              .body = answer->body ? answer->body : "",
                                              .body_len = answer->body ? strlen(answer->body) : 0};

    if (part && !response.status && response.body_len > 0) {
        bool more = part(ctx, &response); /* all in one */
        response.body = "";
        response.body_len = 0;
        response.status = more ? ANTIPHON_OK : ANTIPHON_ECANCELLED;
        response.error = more ? NULL : "enough of it was there";
    }
    done(ctx, &response);
}

static antiphon_http_part_fn *part_of(const struct antiphon_http_request *request)
{
    return ANTIPHON_HAS(request, part) ? request->part : NULL;
}

/* Takes the first that fits, or makes one that says there is none. With the lock. */
static struct fake_answer *take_answer(struct antiphon_fake *fake, const char *method, const char *url)
{
    struct fake_answer **at = &fake->answers, *answer;

    while (*at && (((*at)->method && strcmp((*at)->method, method) != 0) ||
                   strncmp((*at)->url, url, strlen((*at)->url)) != 0))
        at = &(*at)->next;
    answer = *at;
    if (answer) {
        *at = answer->next;
        return answer;
    }
    answer = fake_alloc(sizeof(*answer));
    answer->status = ANTIPHON_EUNAVAILABLE;
    answer->error = fake_copy("the test has no answer for this request");
    return answer;
}

/* Writes the request down. With the lock. */
static struct fake_answer *take_request(struct antiphon_fake *fake, const struct antiphon_http_request *request)
{
    const char *method = request->method ? request->method : request->body ? "POST" : "GET";
    struct text *text = &fake->requests;

    if (strstr(request->url, "{{secret:"))
        fake_fault(fake, "http(): a URL never holds a secret");
    fake->n_requests++;
    text_printf(text, "%s %s\n", method, request->url);
    for (size_t i = 0; request->headers && request->headers[i] && request->headers[i + 1]; i += 2)
        text_printf(text, "%s: %s\n", request->headers[i], request->headers[i + 1]);
    text_puts(text, "\n");
    text_add(text, request->body, request->body_len);
    text_puts(text, "\n");
    return take_answer(fake, method, request->url);
}

static bool is_right(struct antiphon_fake *fake, const struct antiphon_http_request *request,
                     antiphon_http_done_fn *done)
{
    if (request && request->struct_size >= offsetof(struct antiphon_http_request, part) && request->url && done &&
        (request->body || !request->body_len))
        return true;
    fake_fault(fake, "http() without struct_size, url, body or done()");
    return false;
}

static enum antiphon_status host_http(const struct antiphon_host *h, const struct antiphon_http_request *request,
                                      antiphon_http_done_fn *done, void *ctx)
{
    struct antiphon_fake *fake = fake_of(h);
    struct fake_request *due;

    if (!is_right(fake, request, done))
        return ANTIPHON_EINVAL;
    due = fake_alloc(sizeof(*due));
    pthread_mutex_lock(&fake->lock);
    *due = (struct fake_request){.answer = take_request(fake, request), .part = part_of(request), .done = done, .ctx = ctx};
    *fake->due_last = due;
    fake->due_last = &due->next;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
    return ANTIPHON_OK;
}

static enum antiphon_status host_http_wait(const struct antiphon_host *h, const struct antiphon_call *call,
                                           const struct antiphon_http_request *request, antiphon_http_done_fn *done,
                                           void *ctx)
{
    static const struct timespec pause = {0, LOOK_MS * 1000000};
    struct antiphon_fake *fake = fake_of(h);
    struct fake_answer *answer;
    bool held, cancelled = false;

    if (!is_right(fake, request, done))
        return ANTIPHON_EINVAL;
    pthread_mutex_lock(&fake->lock);
    answer = take_request(fake, request);
    pthread_mutex_unlock(&fake->lock);
    do {
        cancelled = call && h->cancelled(h, call);
        pthread_mutex_lock(&fake->lock);
        held = fake->hold && !fake->stop;
        pthread_mutex_unlock(&fake->lock);
        if (held && !cancelled)
            nanosleep(&pause, NULL);
    } while (held && !cancelled);
    if (cancelled) {
        answer_free(answer);
        answer = fake_alloc(sizeof(*answer));
        answer->status = ANTIPHON_ECANCELLED;
        answer->error = fake_copy("the call was cancelled");
    }
    tell(answer, part_of(request), done, ctx);
    answer_free(answer);
    return ANTIPHON_OK;
}

void fake_http_table(struct antiphon_host *host)
{
    host->http = host_http;
    host->http_wait = host_http_wait;
}

/* ---- the thread ----------------------------------------------------------------------------------------- */

static void *run(void *arg)
{
    struct antiphon_fake *fake = arg;

    pthread_mutex_lock(&fake->lock);
    for (;;) {
        struct fake_request *due = fake->hold && !fake->stop ? NULL : fake->due;
        if (!due) {
            if (fake->stop)
                break;
            pthread_cond_wait(&fake->changed, &fake->lock);
            continue;
        }
        fake->due = due->next;
        if (!fake->due)
            fake->due_last = &fake->due;
        pthread_mutex_unlock(&fake->lock);
        tell(due->answer, due->part, due->done, due->ctx);
        answer_free(due->answer);
        free(due);
        pthread_mutex_lock(&fake->lock);
    }
    pthread_mutex_unlock(&fake->lock);
    return NULL;
}

void fake_http_start(struct antiphon_fake *fake)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&fake->http_thread, NULL, run, fake))
        abort();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void fake_http_stop(struct antiphon_fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    fake->stop = true;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
    pthread_join(fake->http_thread, NULL);
    while (fake->answers) {
        struct fake_answer *answer = fake->answers;
        fake->answers = answer->next;
        answer_free(answer);
    }
}

/* ---- what the test calls ---------------------------------------------------------------------------------- */

static struct fake_answer *script(struct antiphon_fake *fake, const char *method, const char *url)
{
    struct fake_answer *answer = fake_alloc(sizeof(*answer)), **last;

    answer->method = fake_copy(method);
    answer->url = fake_copy(url);
    pthread_mutex_lock(&fake->lock);
    last = &fake->answers;
    while (*last)
        last = &(*last)->next;
    *last = answer;
    pthread_mutex_unlock(&fake->lock);
    return answer;
}

void antiphon_fake_answer(struct antiphon_fake *fake, const char *method, const char *url, int http_status,
                          const char *headers, const char *body)
{
    struct fake_answer *answer = script(fake, method, url);

    answer->http_status = http_status;
    answer->headers = fake_copy(headers);
    answer->body = fake_copy(body);
}

void antiphon_fake_fail(struct antiphon_fake *fake, const char *method, const char *url, enum antiphon_status status,
                        const char *error)
{
    struct fake_answer *answer = script(fake, method, url);

    answer->status = status;
    answer->error = fake_copy(error);
}

void antiphon_fake_hold(struct antiphon_fake *fake, bool hold)
{
    pthread_mutex_lock(&fake->lock);
    fake->hold = hold;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

const char *antiphon_fake_requests(struct antiphon_fake *fake)
{
    return fake->requests.data;
}

unsigned antiphon_fake_request_count(struct antiphon_fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    unsigned count = fake->n_requests;
    pthread_mutex_unlock(&fake->lock);
    return count;
}
