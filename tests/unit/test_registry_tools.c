/* Plugins that change their tools while the server runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/host.h"

static const struct antiphon_host *host; /* of the plugin that was added last */

static enum antiphon_status never(void *state, struct antiphon_call *call)
{
    (void)state, (void)call;
    return ANTIPHON_EINTERNAL;
}

static struct antiphon_tool tool(const char *name, const char *description, const char *set)
{
    return (struct antiphon_tool){.struct_size = sizeof(struct antiphon_tool),
                                  .name = name,
                                  .description = description,
                                  .invoke = never,
                                  .set = set};
}

static struct antiphon_tool set(const char *name)
{
    return (struct antiphon_tool){
        .struct_size = sizeof(struct antiphon_tool), .flags = ANTIPHON_TOOL_SET, .name = name};
}

static enum antiphon_status init(const struct antiphon_host *h, const char *config, void **state, char *why,
                                 size_t why_size)
{
    const struct antiphon_tool first = tool("one", "First.", "all"), all = set("all");
    const struct antiphon_tool *const list[] = {&first};

    (void)config, (void)state, (void)why, (void)why_size;
    host = h;
    assert_int_equal(h->set_tools(h, list, 1), ANTIPHON_EUNAVAILABLE); /* it is not loaded yet */
    assert_int_equal(h->add_tool(h, &all), ANTIPHON_OK);
    return h->add_tool(h, &first);
}

static enum antiphon_status init_other(const struct antiphon_host *h, const char *config, void **state, char *why,
                                       size_t why_size)
{
    const struct antiphon_tool other = tool("other", "Of somebody else.", NULL);

    (void)config, (void)state, (void)why, (void)why_size;
    host = h;
    return h->add_tool(h, &other);
}

static unsigned told;

static void on_changed(void *ctx)
{
    (void)ctx;
    told++;
}

static const struct antiphon_plugin changing = {
    .struct_size = sizeof(changing), .name = "changing", .version = "1", .init = init};
static const struct antiphon_plugin fixed = {
    .struct_size = sizeof(fixed), .name = "fixed", .version = "1", .init = init_other};

static struct registry *start(void)
{
    static const char dynamic[] =
        "{\"abi\":\"1.0\",\"manifest\":{\"name\":\"changing\",\"version\":\"1\",\"dynamic_tools\":true}}";
    const struct host_services services = {.tools_changed = on_changed};
    struct registry_source source = {.plugin = &fixed, .config = "{}"};
    struct registry *registry = NULL;
    struct err err = {0};

    assert_int_equal(registry_new(&services, &registry), ANTIPHON_OK);
    assert_int_equal(registry_add(registry, &source, &err), ANTIPHON_OK);
    source.plugin = &changing;
    source.state = &told;
    assert_int_equal(manifest_parse(dynamic, strlen(dynamic), &source.manifest, NULL), ANTIPHON_OK);
    if (registry_add(registry, &source, &err))
        fail_msg("%s", err.text);
    told = 0;
    return registry;
}

static enum antiphon_status change(size_t n, const struct antiphon_tool *tools)
{
    const struct antiphon_tool *list[300];

    for (size_t i = 0; i < n; i++)
        list[i] = &tools[i];
    return host->set_tools(host, list, n);
}

static void test_change(void **state)
{
    struct registry *registry = start();
    const struct registry_tool *first = registry_tool(registry, "one"), *list[8];

    (void)state;
    assert_int_equal(registry_list(registry, "all", list, 8, false), 1);
    assert_int_equal(registry_list(registry, NULL, list, 8, false), 3);
    assert_int_equal(registry_list(registry, NULL, list, 2, false), 2);
    const struct antiphon_tool more[] = {set("all"), tool("one", "First.", "all"), tool("two", "Second.", "all")};
    assert_int_equal(change(3, more), ANTIPHON_OK);
    assert_ptr_equal(registry_tool(registry, "one"), first); /* as it was */
    assert_string_equal(registry_tool(registry, "two")->plugin, "changing");
    assert_ptr_equal(registry_tool(registry, "two")->state, &told);
    assert_int_equal(registry_list(registry, "all", list, 8, false), 2);
    const struct antiphon_tool another[] = {set("all"), tool("one", "Changed.", "all")};
    assert_int_equal(change(2, another), ANTIPHON_OK);
    assert_string_equal(registry_tool(registry, "one")->tool.description, "Changed.");
    assert_string_equal(first->tool.description, "First."); /* whoever has it still may */
    assert_null(registry_tool(registry, "two"));
    assert_int_equal(change(0, NULL), ANTIPHON_OK);
    assert_null(registry_tool(registry, "one"));
    assert_non_null(registry_tool(registry, "other"));
    assert_int_equal(told, 3);
    registry_free(registry);
}

static void test_refused(void **state)
{
    struct registry *registry = start();
    struct antiphon_tool many[257];
    char names[257][16];

    (void)state;
    const struct antiphon_tool clash[] = {tool("two", "Mine.", NULL), tool("other", "Mine.", NULL)};
    assert_int_equal(change(2, clash), ANTIPHON_EEXISTS);
    const struct antiphon_tool twice[] = {tool("two", "A.", NULL), tool("two", "B.", NULL)};
    assert_int_equal(change(2, twice), ANTIPHON_EEXISTS);
    const struct antiphon_tool bad[] = {tool("two words", "A.", NULL)};
    assert_int_equal(change(1, bad), ANTIPHON_EINVAL);
    struct antiphon_tool full = set("set");
    full.invoke = never;
    assert_int_equal(change(1, &full), ANTIPHON_EINVAL);
    for (size_t i = 0; i < 257; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "t%zu", i);
        many[i] = tool(names[i], "One of many.", NULL);
    }
    assert_int_equal(change(257, many), ANTIPHON_EBUSY);
    assert_int_equal(told, 0);
    assert_non_null(registry_tool(registry, "one")); /* nothing has changed */
    assert_null(registry_tool(registry, "two"));
    /* What was replaced keeps its place, so there is an end to it. */
    enum antiphon_status status = ANTIPHON_OK;
    unsigned rounds = 0;
    for (; !status; rounds++) {
        for (size_t i = 0; i < 256; i++)
            many[i].description = rounds % 2 ? "One of many." : "Another.";
        status = change(256, many);
    }
    assert_int_equal(status, ANTIPHON_EBUSY);
    assert_int_equal(rounds, (REGISTRY_MAX_TOOLS - HOST_MAX_TOOLS) / 256);
    assert_non_null(registry_tool(registry, "t255"));
    registry_free(registry);
}

static void test_not_dynamic(void **state)
{
    struct registry *registry = NULL;
    const struct registry_source source = {.plugin = &fixed, .config = "{}"};
    const struct antiphon_tool two[] = {tool("two", "Mine.", NULL)};

    (void)state;
    assert_int_equal(registry_new(NULL, &registry), ANTIPHON_OK);
    assert_int_equal(registry_add(registry, &source, NULL), ANTIPHON_OK);
    assert_int_equal(change(1, two), ANTIPHON_EDENIED);
    registry_free(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_change),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_not_dynamic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
