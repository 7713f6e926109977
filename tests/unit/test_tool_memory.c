#include "unit.h"

#include <stdio.h>

#include "session/tool_memory.h"

static unsigned forgotten;

static void forget(void *undo)
{
    forgotten++;
    free(undo);
}

static void put(struct tool_memory *memory, const char *id, const char *response, uint64_t connection, void *undo)
{
    assert_int_equal(tool_memory_put(memory, id, response, connection, undo), ANTIPHON_OK);
}

static void calls_are_found_by_id(void **state)
{
    struct tool_memory memory = {.forget = forget};
    struct tool_memory_call *call;
    void *undo = malloc(1);

    (void)state;
    assert_null(tool_memory_find(&memory, "a"));
    put(&memory, "a", "{\"x\":1}", 3, NULL);
    put(&memory, "b", NULL, 4, undo);
    call = tool_memory_find(&memory, "a");
    assert_string_equal(call->response, "{\"x\":1}");
    assert_int_equal(call->connection, 3);
    assert_null(call->undo);
    call = tool_memory_find(&memory, "b");
    assert_null(call->response);
    assert_ptr_equal(tool_memory_take_undo(call), undo);
    assert_null(call->undo);
    free(undo);
    put(&memory, "a", "{}", 5, NULL);
    assert_string_equal(tool_memory_find(&memory, "a")->response, "{}");
    assert_int_equal(memory.n, 2);
    tool_memory_clear(&memory);
    assert_null(tool_memory_find(&memory, "a"));
    assert_int_equal(forgotten, 0);
}

static void the_oldest_are_forgotten(void **state)
{
    struct tool_memory memory = {.forget = forget};
    char id[16];

    (void)state;
    forgotten = 0;
    for (int i = 0; i < TOOL_MEMORY_MAX_CALLS + 2; i++) {
        snprintf(id, sizeof(id), "%d", i);
        put(&memory, id, "{}", 1, malloc(1));
    }
    assert_int_equal(forgotten, 2);
    assert_null(tool_memory_find(&memory, "1"));
    assert_non_null(tool_memory_find(&memory, "2"));
    tool_memory_clear(&memory);
    assert_int_equal(forgotten, TOOL_MEMORY_MAX_CALLS + 2);
}

static void responses_are_bounded(void **state)
{
    struct tool_memory memory = {0};
    const size_t size = TOOL_MEMORY_MAX_BYTES / 4;
    char *big = malloc(size + 1), id[16];

    (void)state;
    memset(big, 'x', size);
    big[size] = '\0';
    for (int i = 0; i < 6; i++) {
        snprintf(id, sizeof(id), "%d", i);
        put(&memory, id, big, 1, NULL);
    }
    assert_int_equal(memory.bytes, TOOL_MEMORY_MAX_BYTES);
    assert_null(tool_memory_find(&memory, "1")->response);
    assert_non_null(tool_memory_find(&memory, "2")->response);
    tool_memory_clear(&memory);
    free(big);
}

static void without_memory(void **state)
{
    (void)state;
    forgotten = 0;
    for (unsigned n = 0;; n++) {
        struct tool_memory memory = {.forget = forget};
        void *undo = malloc(1);
        alloc_fail_at(n);
        enum antiphon_status status = tool_memory_put(&memory, "a", "{}", 1, undo);
        bool failed = alloc_has_failed();
        assert_int_equal(status, failed ? ANTIPHON_ENOMEM : ANTIPHON_OK);
        assert_int_equal(tool_memory_find(&memory, "a") != NULL, !failed);
        assert_int_equal(forgotten, n + failed);
        tool_memory_clear(&memory);
        if (!failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_found_by_id),
        cmocka_unit_test(the_oldest_are_forgotten),
        cmocka_unit_test(responses_are_bounded),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
