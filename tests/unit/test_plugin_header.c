/* The layout of the public ABI: no struct ends in padding, so that an appended field never lands
 * where an older plugin left garbage that struct_size already covers. */
#include "unit.h"

#include <antiphon/plugin.h>

#define ENDS_WITH(type, field)                                                                     \
    _Static_assert(sizeof(struct type) ==                                                          \
                       offsetof(struct type, field) + sizeof(((struct type *)NULL)->field),        \
                   #type " ends in padding")
#define STARTS_WITH_SIZE(type)                                                                     \
    _Static_assert(offsetof(struct type, struct_size) == 0, #type " starts with struct_size")

ENDS_WITH(antiphon_span, len);
ENDS_WITH(antiphon_event, len);
ENDS_WITH(antiphon_model, wake);
ENDS_WITH(antiphon_ws_end, reason);
ENDS_WITH(antiphon_ws_handlers, on_close);
ENDS_WITH(antiphon_ws_request, headers);
ENDS_WITH(antiphon_http_request, part);
ENDS_WITH(antiphon_http_response, body_len);
ENDS_WITH(antiphon_call, deadline_ms);
ENDS_WITH(antiphon_tool, set);
ENDS_WITH(antiphon_check, deadline_ms);
ENDS_WITH(antiphon_hook, run);
ENDS_WITH(antiphon_notice, len);
ENDS_WITH(antiphon_row, updated_ms);
ENDS_WITH(antiphon_store_query, text);
ENDS_WITH(antiphon_host, set_tools);
ENDS_WITH(antiphon_plugin, self_test);

STARTS_WITH_SIZE(antiphon_event);
STARTS_WITH_SIZE(antiphon_model);
STARTS_WITH_SIZE(antiphon_ws_end);
STARTS_WITH_SIZE(antiphon_ws_handlers);
STARTS_WITH_SIZE(antiphon_ws_request);
STARTS_WITH_SIZE(antiphon_http_request);
STARTS_WITH_SIZE(antiphon_http_response);
STARTS_WITH_SIZE(antiphon_call);
STARTS_WITH_SIZE(antiphon_tool);
STARTS_WITH_SIZE(antiphon_check);
STARTS_WITH_SIZE(antiphon_hook);
STARTS_WITH_SIZE(antiphon_notice);
STARTS_WITH_SIZE(antiphon_row);
STARTS_WITH_SIZE(antiphon_store_query);
STARTS_WITH_SIZE(antiphon_host);
STARTS_WITH_SIZE(antiphon_plugin);

/* Numbers that cross the boundary between separately compiled binaries never change. */
_Static_assert(ANTIPHON_EEXISTS == -12 && ANTIPHON_EBUSY == -7 && ANTIPHON_ECONFIRM == -13,
               "status numbers");
_Static_assert(ANTIPHON_HOOK_USER_TEXT == 1 && ANTIPHON_HOOK_AFTER_TOOL == 5 &&
                   ANTIPHON_PASS == 0 && ANTIPHON_ANSWER == 3,
               "hook numbers");
_Static_assert(ANTIPHON_EV_TEXT == 1 && ANTIPHON_EV_READY == 8 && ANTIPHON_EV_CLOSED == 22,
               "event numbers");

static void test_has_follows_struct_size(void **state)
{
    struct antiphon_tool tool = {.struct_size = offsetof(struct antiphon_tool, cancel)};

    (void)state;
    assert_true(ANTIPHON_HAS(&tool, invoke));
    assert_false(ANTIPHON_HAS(&tool, cancel));
    tool.struct_size = sizeof(tool);
    assert_true(ANTIPHON_HAS(&tool, cancel));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_has_follows_struct_size)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
