/* Any text is a scenario or is refused with at least one line. */
#include "scenario.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scenario scenario;
    struct wire_style style = {0};
    struct bytes errors = {0};
    scenario_init(&scenario);
    bool good = scenario_read(&scenario, "fuzz", (const char *)data, size, &style, &errors);
    if (good == (errors.len > 0))
        abort();
    scenario_free(&scenario);
    bytes_free(&errors);
    return 0;
}
