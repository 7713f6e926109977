/* google_search - the model's own web search. A native tool: the search runs inside the model, this
 * plugin only says under which name agents ask for it and what to write into the setup. */
#include "antiphon/plugin.h"

ANTIPHON_MANIFEST({
    "name": "google_search",
    "version": "1.0.0",
    "description": "Lets the model search the web with Google.",
    "licence": "Apache-2.0",
    "tools": [{
        "name": "google_search",
        "description": "Searches the web with Google and grounds the answer in what it finds.",
        "flags": ["read_only", "native"]
    }]
});

static const struct antiphon_tool google_search = {
    .struct_size = sizeof(google_search),
    .name = "google_search",
    .native_feature = "google_search",
    .native_fragment = "{\"googleSearch\":{}}",
};

static enum antiphon_status init(const struct antiphon_host *h, const char *config, void **state,
                                 char *why, size_t why_size)
{
    (void)config, (void)state, (void)why, (void)why_size;
    return h->add_tool(h, &google_search);
}

static const struct antiphon_plugin plugin = {
    .struct_size = sizeof(plugin),
    .name = "google_search",
    .version = "1.0.0",
    .init = init,
};

const struct antiphon_plugin *antiphon_plugin_v1(void)
{
    return &plugin;
}
