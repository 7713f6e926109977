/* The tools of a conversation: what it was set up with stays, and is held. */
#include "unit.h"

#include "plugin/registry.h"
#include "session/toolset.h"

static enum antiphon_status invoke(void *state, struct antiphon_call *call)
{
    (void)state, (void)call;
    return ANTIPHON_OK;
}

static const struct antiphon_tool tools[] = {
    {.struct_size = sizeof(tools[0]), .name = "one", .description = "One.", .invoke = invoke},
    {.struct_size = sizeof(tools[0]), .name = "two", .description = "Two.", .invoke = invoke},
};

static enum antiphon_status init(const struct antiphon_host *h, const char *config, void **state, char *why,
                                 size_t why_size)
{
    (void)config, (void)state, (void)why, (void)why_size;
    enum antiphon_status status = h->add_tool(h, &tools[0]);
    return status ? status : h->add_tool(h, &tools[1]);
}

static struct antiphon_plugin plugin = {
    .struct_size = sizeof(plugin), .name = "numbers", .version = "1", .init = init};

/* A version of the plugin, known by its state. */
static void add(struct registry *registry, void *state)
{
    const struct registry_source source = {.plugin = &plugin, .state = state, .config = "{}"};
    struct err err = {0};

    if (registry_add(registry, &source, &err))
        fail_msg("%s", err.text);
}

static char name_one[] = "one", name_two[] = "two", name_three[] = "three";
static const struct agent agent = {.tools = {{.name = name_two}, {.name = name_three}, {.name = name_one}}, .tools_n = 3};

static void test_a_set_stays_what_it_was(void **unused)
{
    struct registry *registry = NULL;
    struct toolset *old = NULL, *new = NULL;
    int first, second;

    (void)unused;
    assert_int_equal(registry_new(NULL, &registry), ANTIPHON_OK);
    add(registry, &first);
    assert_int_equal(toolset_new(registry, &agent, &old), ANTIPHON_OK);
    add(registry, &second);
    assert_int_equal(toolset_new(registry, &agent, &new), ANTIPHON_OK);
    assert_ptr_equal(toolset_get(old, 0)->state, &first);
    assert_string_equal(toolset_get(old, 0)->tool.name, "two");
    assert_null(toolset_get(old, 1));
    assert_ptr_equal(toolset_find(old, "one"), toolset_get(old, 2));
    assert_null(toolset_find(old, "three"));
    assert_null(toolset_get(old, 3));
    assert_ptr_equal(toolset_get(new, 2)->state, &second);

    assert_false(registry_is_unused(registry, &first));
    registry_hold_again(toolset_get(old, 0)); /* as a call does */
    const struct registry_tool *tool = toolset_get(old, 0);
    toolset_free(old);
    assert_false(registry_is_unused(registry, &first));
    registry_release_tool(tool);
    assert_true(registry_is_unused(registry, &first));
    toolset_free(new);
    assert_false(registry_is_unused(registry, &second)); /* who comes next will use it */
    registry_free(registry);
}

static enum antiphon_status init_set(const struct antiphon_host *h, const char *config, void **state, char *why,
                                     size_t why_size)
{
    static const struct antiphon_tool all = {
        .struct_size = sizeof(all), .flags = ANTIPHON_TOOL_SET, .name = "all"};
    struct antiphon_tool in_set[] = {tools[0], tools[1]};

    (void)config, (void)state, (void)why, (void)why_size;
    assert_int_equal(h->add_tool(h, &all), ANTIPHON_OK);
    in_set[0].set = in_set[1].set = "all";
    enum antiphon_status status = h->add_tool(h, &in_set[0]);
    return status ? status : h->add_tool(h, &in_set[1]);
}

static void test_an_agent_that_names_a_set(void **unused)
{
    static const struct antiphon_plugin with_set = {
        .struct_size = sizeof(with_set), .name = "numbers", .version = "1", .init = init_set};
    static char all[] = "all";
    const struct agent both = {.tools = {{.name = name_three}, {.name = name_two}, {.name = all}}, .tools_n = 3};
    struct registry *registry = NULL;
    struct toolset *set = NULL;
    struct err err = {0};
    int first, second;
    struct registry_source source = {.plugin = &with_set, .state = &first, .config = "{}"};

    (void)unused;
    assert_int_equal(registry_new(NULL, &registry), ANTIPHON_OK);
    assert_int_equal(registry_add(registry, &source, &err), ANTIPHON_OK);
    assert_int_equal(toolset_new(registry, &both, &set), ANTIPHON_OK);
    assert_int_equal(toolset_count(set), 3);
    assert_null(toolset_get(set, 0));
    assert_string_equal(toolset_get(set, 1)->tool.name, "two"); /* once, by its own name */
    assert_string_equal(toolset_get(set, 2)->tool.name, "one");
    assert_int_equal(toolset_entry(set, toolset_find(set, "two")), 1);
    assert_int_equal(toolset_entry(set, toolset_find(set, "one")), 2);
    assert_null(toolset_find(set, "all"));
    source.state = &second;
    assert_int_equal(registry_add(registry, &source, &err), ANTIPHON_OK);
    assert_false(registry_is_unused(registry, &first));
    toolset_free(set);
    assert_true(registry_is_unused(registry, &first));
    registry_free(registry);
}

static void test_none(void **unused)
{
    (void)unused;
    toolset_free(NULL);
    assert_null(toolset_get(NULL, 0));
    assert_int_equal(toolset_count(NULL), 0);
    assert_null(toolset_find(NULL, "one"));
}

static void test_memory_runs_out(void **unused)
{
    struct registry *registry = NULL;
    struct toolset *set = NULL;
    int state;
    unsigned n;

    (void)unused;
    assert_int_equal(registry_new(NULL, &registry), ANTIPHON_OK);
    add(registry, &state);
    for (n = 0;; n++) {
        alloc_fail_at(n);
        enum antiphon_status status = toolset_new(registry, &agent, &set);
        if (!alloc_has_failed())
            break;
        assert_int_equal(status, ANTIPHON_ENOMEM);
    }
    assert_int_equal(n, 1);
    toolset_free(set);
    registry_free(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_set_stays_what_it_was),
        cmocka_unit_test(test_an_agent_that_names_a_set),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_memory_runs_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
