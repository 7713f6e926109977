/* catalog - the tools of one server under the names that they have here. One thread at a time. */
#ifndef MCP_CATALOG_H
#define MCP_CATALOG_H
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "antiphon/plugin.h"

struct catalog_tool {
    char *name, *remote, *description, *schema; /* owned */
    uint32_t flags;                             /* ANTIPHON_TOOL_* */
};
struct catalog {
    struct catalog_tool *tools; /* owned */
    size_t n;
};

/* What the server has listed (an array), as far as its settings want it. Tools that cannot be
 * offered are logged and left out. ENOMEM: nothing is made. */
enum antiphon_status catalog_new(const struct antiphon_host *h, const cJSON *settings,
                                 bool headers_wanted, const cJSON *listed, struct catalog *catalog);
void catalog_free(struct catalog *catalog);
const struct catalog_tool *catalog_find(const struct catalog *catalog, const char *name);
#endif
