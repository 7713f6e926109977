#include "unit.h"

#include "base/slots.h"

static int things[100];

static struct slots *make(unsigned max)
{
    struct slots *slots = NULL;

    assert_int_equal(slots_new(max, &slots), ANTIPHON_OK);
    return slots;
}

static void test_handle_dies_with_its_item(void **state)
{
    struct slots *slots = make(10);
    uint64_t first, second;

    (void)state;
    assert_null(slots_get(slots, 0));
    assert_int_equal(slots_add(slots, &things[0], &first), ANTIPHON_OK);
    assert_true(first != 0);
    assert_ptr_equal(slots_get(slots, first), &things[0]);
    slots_remove(slots, first);
    assert_null(slots_get(slots, first));
    assert_int_equal(slots_add(slots, &things[1], &second), ANTIPHON_OK);
    assert_true(second != first);
    assert_null(slots_get(slots, first));
    slots_remove(slots, first); /* an old handle takes nothing with it */
    assert_ptr_equal(slots_get(slots, second), &things[1]);
    assert_int_equal(slots_count(slots), 1);
    assert_null(slots_get(slots, UINT64_MAX));
    assert_null(slots_get(slots, second + 1));
    slots_free(slots);
    slots_free(NULL);
}

static void test_bound(void **state)
{
    uint64_t handles[100], one_more = 77;

    (void)state;
    for (unsigned max = 0; max < 100; max += 9) {
        struct slots *slots = make(max);
        for (unsigned i = 0; i < max; i++)
            assert_int_equal(slots_add(slots, &things[i], &handles[i]), ANTIPHON_OK);
        assert_int_equal(slots_add(slots, &things[0], &one_more), ANTIPHON_EBUSY);
        assert_true(one_more == 77);
        for (unsigned i = 0; i < max; i++)
            assert_ptr_equal(slots_get(slots, handles[i]), &things[i]);
        assert_int_equal(slots_count(slots), max);
        if (max) {
            slots_remove(slots, handles[max / 2]);
            assert_int_equal(slots_add(slots, &things[0], &one_more), ANTIPHON_OK);
            assert_int_equal(slots_add(slots, &things[0], &one_more), ANTIPHON_EBUSY);
            one_more = 77;
        }
        slots_free(slots);
    }
}

static void remove_it(void *ctx, uint64_t handle, void *item)
{
    assert_ptr_equal(slots_get(ctx, handle), item);
    ++*(int *)item;
    slots_remove(ctx, handle);
}

static void test_each_may_remove(void **state)
{
    struct slots *slots = make(100);
    uint64_t handle;

    (void)state;
    memset(things, 0, sizeof(things));
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(slots_add(slots, &things[i], &handle), ANTIPHON_OK);
    slots_each(slots, remove_it, slots);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(things[i], i < 50);
    assert_int_equal(slots_count(slots), 0);
    slots_free(slots);
}

static void test_many_generations(void **state)
{
    struct slots *slots = make(1);
    uint64_t handle, before = 0;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        assert_int_equal(slots_add(slots, &things[0], &handle), ANTIPHON_OK);
        assert_true(handle > before);
        assert_null(slots_get(slots, before));
        slots_remove(slots, handle);
        before = handle;
    }
    slots_free(slots);
}

static void test_without_memory(void **state)
{
    struct slots *slots = NULL;
    uint64_t handle;

    (void)state;
    alloc_fail_at(0);
    assert_int_equal(slots_new(5, &slots), ANTIPHON_ENOMEM);
    assert_true(alloc_has_failed());
    assert_null(slots);
    slots = make(100);
    alloc_fail_at(0);
    assert_int_equal(slots_add(slots, &things[0], &handle), ANTIPHON_ENOMEM);
    assert_true(alloc_has_failed());
    assert_int_equal(slots_add(slots, &things[0], &handle), ANTIPHON_OK);
    slots_free(slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handle_dies_with_its_item),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_each_may_remove),
        cmocka_unit_test(test_many_generations),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
