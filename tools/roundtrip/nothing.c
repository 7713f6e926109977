/* nothing - a tool that does nothing, so that what is measured is the way to it and back. */
#include <antiphon/plugin.h>

ANTIPHON_MANIFEST({
    "name": "nothing",
    "version": "1",
    "tools": [{"name": "nothing", "description": "Does nothing.", "flags": ["read_only"]}]
});

static const struct antiphon_host *host;

static enum antiphon_status nothing(void *state, struct antiphon_call *call)
{
    (void)state;
    host->finish(host, call, ANTIPHON_OK, "null", 4);
    return ANTIPHON_OK;
}

static enum antiphon_status init(const struct antiphon_host *h, const char *config, void **state, char *why,
                                 size_t why_size)
{
    static const struct antiphon_tool tool = {.struct_size = sizeof(tool), .name = "nothing", .invoke = nothing};

    (void)config, (void)state, (void)why, (void)why_size;
    host = h;
    return h->add_tool(h, &tool);
}

static const struct antiphon_plugin plugin = {
    .struct_size = sizeof(plugin), .name = "nothing", .version = "1", .init = init};

const struct antiphon_plugin *antiphon_plugin_v1(void)
{
    return &plugin;
}
