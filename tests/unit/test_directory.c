/* Which shard has a conversation: claims, and threads that race for the same key. */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/directory.h"

static struct directory *directory;

static int set_up(void **state)
{
    (void)state;
    return directory_new(&directory);
}

static int tear_down(void **state)
{
    (void)state;
    directory_free(directory);
    return 0;
}

static unsigned claim(const char *key, unsigned shard)
{
    unsigned owner = 99;

    assert_int_equal(directory_claim(directory, key, shard, &owner), ANTIPHON_OK);
    return owner;
}

static void the_first_claim_decides(void **unused)
{
    (void)unused;
    assert_int_equal(claim("a", 1), 1);
    assert_int_equal(claim("a", 2), 1);
    assert_int_equal(claim("b", 2), 2);
    assert_int_equal(claim("", 3), 3);
    assert_int_equal(directory_count(directory), 3);
    directory_release(directory, "a");
    assert_int_equal(claim("a", 5), 1);
    directory_release(directory, "a");
    directory_release(directory, "a");
    assert_int_equal(directory_count(directory), 2);
    /* the last claim is gone: it may live elsewhere */
    assert_int_equal(claim("a", 5), 5);
}

static void many_keys(void **unused)
{
    char key[32];

    (void)unused;
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(key, sizeof(key), "app/%u/session", i);
        assert_int_equal(claim(key, i % 64), i % 64);
    }
    assert_int_equal(directory_count(directory), 20000);
    for (unsigned i = 0; i < 20000; i += 2) {
        snprintf(key, sizeof(key), "app/%u/session", i);
        directory_release(directory, key);
    }
    for (unsigned i = 1; i < 20000; i += 2) {
        snprintf(key, sizeof(key), "app/%u/session", i);
        assert_int_equal(claim(key, 65), i % 64);
    }
    assert_int_equal(directory_count(directory), 10000);
}

static void memory_runs_out(void **unused)
{
    enum antiphon_status status;
    struct directory *made = NULL;
    unsigned owner = 99;

    (void)unused;
    for (unsigned n = 0; alloc_fail_at(n), status = directory_claim(directory, "a", 1, &owner), alloc_has_failed(); n++) {
        assert_int_equal(status, ANTIPHON_ENOMEM);
        assert_int_equal(owner, 99);
        assert_int_equal(directory_count(directory), 0);
    }
    assert_int_equal(owner, 1);
    for (unsigned n = 0; alloc_fail_at(n), status = directory_new(&made), alloc_has_failed(); n++)
        assert_int_equal(status, ANTIPHON_ENOMEM);
    directory_free(made);
    directory_free(NULL);
}

/* ---- threads ---- */

#define THREADS 4
#define KEYS 3
#define ROUNDS 4000

static atomic_uint wrong;

static void *race(void *arg)
{
    unsigned shard = (unsigned)(uintptr_t)arg;
    char key[8];

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned k = (i * 7 + shard) % KEYS, owner = 99;
        snprintf(key, sizeof(key), "k%u", k);
        if (directory_claim(directory, key, shard, &owner)) {
            atomic_fetch_add(&wrong, 1);
            continue;
        }
        /* While one claim is held, everybody is told the same owner. */
        unsigned again = 99;
        for (unsigned more = 0; more < 3; more++) {
            if (directory_claim(directory, key, (shard + more) % THREADS, &again) || again != owner)
                atomic_fetch_add(&wrong, 1);
            else
                directory_release(directory, key);
        }
        directory_release(directory, key);
    }
    return NULL;
}

static void threads_race_for_the_same_keys(void **unused)
{
    pthread_t thread[THREADS];

    (void)unused;
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, race, (void *)(uintptr_t)i), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(atomic_load(&wrong), 0);
    assert_int_equal(directory_count(directory), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_claim_decides),
        TEST(many_keys),
        TEST(memory_runs_out),
        TEST(threads_race_for_the_same_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
