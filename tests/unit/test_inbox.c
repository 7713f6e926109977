#include "unit.h"

#include <pthread.h>
#include <semaphore.h>

#include "base/inbox.h"

#define POSTERS 4
#define EACH    20000u

struct note {
    struct inbox_message message; /* first */
    unsigned poster, number;
};

struct owner {
    struct inbox *inbox;
    sem_t woken;
    unsigned wakes, ran, dropped;
    unsigned next[POSTERS]; /* the number due from each poster */
    unsigned repost;        /* messages that a running one still posts */
};

static void on_wake(void *ctx)
{
    sem_post(&((struct owner *)ctx)->woken);
}

static void post(struct owner *owner, unsigned poster, unsigned number);

static void run(void *ctx, struct inbox_message *message, bool dropped)
{
    struct owner *owner = ctx;
    struct note *note = (struct note *)message;

    if (dropped)
        owner->dropped++;
    else
        owner->ran++;
    assert_int_equal(note->number, owner->next[note->poster]);
    owner->next[note->poster]++;
    if (owner->repost) {
        owner->repost--;
        post(owner, note->poster, note->number + 1);
    }
    free(note);
}

static void post(struct owner *owner, unsigned poster, unsigned number)
{
    struct note *note = malloc(sizeof(*note));

    assert_non_null(note);
    *note = (struct note){{NULL, run}, poster, number};
    inbox_post(owner->inbox, &note->message);
}

static void open_owner(struct owner *owner)
{
    *owner = (struct owner){0};
    sem_init(&owner->woken, 0, 0);
    assert_int_equal(inbox_new(on_wake, owner, &owner->inbox), ANTIPHON_OK);
}

static void close_owner(struct owner *owner)
{
    inbox_free(owner->inbox, owner);
    sem_destroy(&owner->woken);
}

static int wakes(struct owner *owner)
{
    int value;

    sem_getvalue(&owner->woken, &value);
    return value;
}

static void test_order_and_one_wake(void **state)
{
    struct owner owner;

    (void)state;
    open_owner(&owner);
    inbox_drain(owner.inbox, &owner);
    for (unsigned i = 0; i < 10; i++)
        post(&owner, 0, i);
    assert_int_equal(wakes(&owner), 1);
    inbox_drain(owner.inbox, &owner);
    assert_int_equal(owner.ran, 10);
    post(&owner, 0, 10);
    assert_int_equal(wakes(&owner), 2);
    inbox_drain(owner.inbox, &owner);
    assert_int_equal(owner.ran, 11);
    close_owner(&owner);
}

/* A message that posts another cannot keep the owner in drain() for ever. */
static void test_posted_while_draining_comes_next_time(void **state)
{
    struct owner owner;

    (void)state;
    open_owner(&owner);
    owner.repost = 2;
    post(&owner, 0, 0);
    for (unsigned i = 1; i <= 3; i++) {
        inbox_drain(owner.inbox, &owner);
        assert_int_equal(owner.ran, i);
        assert_int_equal(wakes(&owner), i < 3 ? i + 1 : 3);
    }
    close_owner(&owner);
}

static void test_free_drops(void **state)
{
    struct owner owner;

    (void)state;
    open_owner(&owner);
    owner.repost = 1;
    post(&owner, 0, 0);
    close_owner(&owner);
    assert_int_equal(owner.ran, 0);
    assert_int_equal(owner.dropped, 2);
    inbox_free(NULL, NULL);
}

struct poster {
    struct owner *owner;
    unsigned number;
};

static void *poster_main(void *arg)
{
    struct poster *poster = arg;

    for (unsigned i = 0; i < EACH; i++)
        post(poster->owner, poster->number, i);
    return NULL;
}

/* The owner sleeps whenever it was not woken: a lost wake-up would hang this. */
static void test_many_threads(void **state)
{
    struct owner owner;
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];

    (void)state;
    open_owner(&owner);
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){&owner, i};
        assert_int_equal(pthread_create(&threads[i], NULL, poster_main, &posters[i]), 0);
    }
    while (owner.ran < POSTERS * EACH) {
        sem_wait(&owner.woken);
        inbox_drain(owner.inbox, &owner);
    }
    for (unsigned i = 0; i < POSTERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(owner.next[i], EACH);
    }
    close_owner(&owner);
    assert_int_equal(owner.dropped, 0);
}

static void test_without_memory(void **state)
{
    struct inbox *inbox = NULL;

    (void)state;
    alloc_fail_at(0);
    assert_int_equal(inbox_new(on_wake, NULL, &inbox), ANTIPHON_ENOMEM);
    assert_true(alloc_has_failed());
    assert_null(inbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_one_wake),
        cmocka_unit_test(test_posted_while_draining_comes_next_time),
        cmocka_unit_test(test_free_drops),
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
