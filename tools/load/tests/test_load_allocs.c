/* Whose code allocated, and that a window counts only what came in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "allocs.h"

static void test_parts(void **state)
{
    (void)state;
    assert_int_equal(allocs_part_of("/usr/lib/x86_64-linux-gnu/libwebsockets.so.17"), ALLOCS_LWS);
    assert_int_equal(allocs_part_of("/usr/lib/libwebsockets-evlib_uv.so"), ALLOCS_LWS);
    assert_int_equal(allocs_part_of("/usr/lib/x86_64-linux-gnu/libcrypto.so.3"), ALLOCS_TLS);
    assert_int_equal(allocs_part_of("/usr/lib/x86_64-linux-gnu/libssl.so.3"), ALLOCS_TLS);
    assert_int_equal(allocs_part_of("/usr/lib/x86_64-linux-gnu/libuv.so.1.0.0"), ALLOCS_UV);
    assert_int_equal(allocs_part_of("/usr/lib/x86_64-linux-gnu/libc.so.6"), ALLOCS_OWN);
    assert_int_equal(allocs_part_of("/home/libuv.d/antiphon"), ALLOCS_OWN);
    assert_int_equal(allocs_part_of("gemini_live.so"), ALLOCS_OWN);
}

static void test_window(void **state)
{
    struct allocs *allocs = calloc(1, sizeof(*allocs));
    char text[512] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");

    (void)state;
    assert_non_null(out);
    assert_true(allocs_open(allocs));
    assert_string_equal(getenv(ALLOCS_ENV), allocs->file);
    allocs->page->slot[3].caller = (uint64_t)(uintptr_t)&test_window;
    allocs->page->slot[3].count = 7;
    allocs->page->slot[5].caller = (uint64_t)(uintptr_t)&strlen;
    allocs->page->elsewhere = 2;
    allocs_begin(allocs);
    allocs->page->slot[3].count += 4;
    allocs->page->slot[5].count += 3;
    allocs->page->elsewhere += 1;
    allocs_end(allocs, (int)getpid(), out);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(allocs->count[ALLOCS_OWN], 8);
    assert_int_equal(allocs->count[ALLOCS_LWS] + allocs->count[ALLOCS_TLS] + allocs->count[ALLOCS_UV], 0);
    assert_non_null(strstr(text, "4 allocations at /"));
    assert_non_null(strstr(text, "/test_load_allocs+0x"));
    assert_int_equal(access(allocs->file, F_OK), 0);
    allocs_close(allocs);
    assert_int_equal(access(allocs->file, F_OK), -1);
    free(allocs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts), cmocka_unit_test(test_window)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
