/* The token cache as it is used: asked by several loops at once, answered on the HTTP thread. For
 * TSan. */
#include "support.h"

#include <pthread.h>

#include "token.h"

#define LOOPS  8
#define ROUNDS 200

/* A host whose HTTP thread answers at once and whose wake-ups are counted per sink. */
static struct {
    struct antiphon_host host;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    antiphon_http_done_fn *done;
    void *ctx;
    bool stop;
    unsigned wakes[LOOPS], requests;
} rig = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static uint64_t now(const struct antiphon_host *host)
{
    (void)host;
    return 1;
}

static void wake(const struct antiphon_host *host, antiphon_sink sink)
{
    (void)host;
    pthread_mutex_lock(&rig.lock);
    rig.wakes[sink]++;
    pthread_cond_broadcast(&rig.changed);
    pthread_mutex_unlock(&rig.lock);
}

static enum antiphon_status http(const struct antiphon_host *host,
                                 const struct antiphon_http_request *request,
                                 antiphon_http_done_fn *done, void *ctx)
{
    (void)host, (void)request;
    pthread_mutex_lock(&rig.lock);
    assert_null(rig.done); /* one fetch at a time */
    rig.done = done;
    rig.ctx = ctx;
    rig.requests++;
    pthread_cond_broadcast(&rig.changed);
    pthread_mutex_unlock(&rig.lock);
    return ANTIPHON_OK;
}

static void *http_thread(void *unused)
{
    static const char body[] = "{\"access_token\":\"ya29.t\",\"expires_in\":3600}";
    const struct antiphon_http_response response = {.struct_size = sizeof response,
                                                    .http_status = 200,
                                                    .body = body,
                                                    .body_len = sizeof body - 1};
    (void)unused;
    pthread_mutex_lock(&rig.lock);
    while (!rig.stop || rig.done) {
        antiphon_http_done_fn *done = rig.done;
        void *ctx = rig.ctx;
        if (!done) {
            pthread_cond_wait(&rig.changed, &rig.lock);
            continue;
        }
        rig.done = NULL;
        pthread_mutex_unlock(&rig.lock);
        done(ctx, &response);
        pthread_mutex_lock(&rig.lock);
    }
    pthread_mutex_unlock(&rig.lock);
    return NULL;
}

struct loop {
    struct token_cache *cache;
    antiphon_sink sink;
    unsigned got;
};

static void *loop_thread(void *ctx)
{
    struct loop *loop = ctx;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct token token = {0};
        struct token_fault fault = {0};
        uint64_t ticket = 0;
        pthread_mutex_lock(&rig.lock);
        unsigned wakes = rig.wakes[loop->sink];
        pthread_mutex_unlock(&rig.lock);
        while (token_get(loop->cache, loop->sink, &ticket, &token, &fault) == ANTIPHON_EBUSY) {
            pthread_mutex_lock(&rig.lock);
            while (rig.wakes[loop->sink] == wakes)
                pthread_cond_wait(&rig.changed, &rig.lock);
            wakes = rig.wakes[loop->sink];
            pthread_mutex_unlock(&rig.lock);
        }
        loop->got += token.text && strcmp(token.text, "ya29.t") == 0;
        if (round % 7 == loop->sink % 7)
            token_refused(loop->cache, token.number);
        token_free(&token);
    }
    return NULL;
}

static void test_many_loops(void **unused)
{
    struct credentials credentials = {.kind = CREDENTIALS_USER,
                                      .token_uri = strdup("https://t"),
                                      .client_id = strdup("c"),
                                      .client_secret = strdup("s"),
                                      .refresh = strdup("r")};
    struct loop loops[LOOPS];
    pthread_t threads[LOOPS], http_id;
    (void)unused;
    rig.host = (struct antiphon_host){
        .struct_size = sizeof rig.host, .now_ms = now, .wake = wake, .http = http};
    struct token_cache *cache = token_cache_new(&rig.host, &credentials, false);
    assert_int_equal(pthread_create(&http_id, NULL, http_thread, NULL), 0);
    for (unsigned i = 0; i < LOOPS; i++) {
        loops[i] = (struct loop){cache, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, loop_thread, &loops[i]), 0);
    }
    for (unsigned i = 0; i < LOOPS; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_lock(&rig.lock);
    rig.stop = true;
    pthread_cond_broadcast(&rig.changed);
    pthread_mutex_unlock(&rig.lock);
    pthread_join(http_id, NULL);
    for (unsigned i = 0; i < LOOPS; i++)
        assert_int_equal(loops[i].got, ROUNDS);
    assert_true(rig.requests > 1);
    token_cache_free(cache);
    credentials_deinit(&credentials);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_loops)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
