/* What a thread says of itself. */
#include "unit.h"

#include <pthread.h>

#include "base/thread.h"

static void *fresh(void *unused)
{
    assert_null(thread_task().plugin);
    assert_true(thread_may_block());
    thread_forbid_blocking();
    assert_false(thread_may_block());
    return unused;
}

static void test_a_thread_speaks_for_itself(void **state)
{
    pthread_t thread;

    (void)state;
    thread_set_task("clock", "call", "get_time");
    assert_int_equal(pthread_create(&thread, NULL, fresh, NULL), 0);
    pthread_join(thread, NULL);
    assert_true(thread_may_block());
    assert_string_equal(thread_task().plugin, "clock");
    assert_string_equal(thread_task().step, "call");
    assert_string_equal(thread_task().name, "get_time");
    thread_set_task(NULL, NULL, NULL);
    assert_null(thread_task().plugin);
}

static void test_faults_are_not_blocked(void **state)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP},
                     sent[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGCHLD, SIGALRM, SIGUSR1};
    sigset_t blocked;

    (void)state;
    thread_blocked(&blocked);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        assert_false(sigismember(&blocked, faults[i]));
        assert_true(sigismember(&blocked, sent[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thread_speaks_for_itself),
        cmocka_unit_test(test_faults_are_not_blocked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
