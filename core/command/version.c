#include <stdio.h>
#include <string.h>

#include "command/command.h"
#include "base/banned.h"

static int run(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        puts("usage: antiphon version\n\nPrints the version.");
        return COMMAND_OK;
    }
    if (argc > 1) {
        (void)fprintf(stderr, "antiphon version: unexpected '%s'\n", argv[1]);
        return COMMAND_USAGE;
    }
    puts("antiphon " ANTIPHON_VERSION);
    return COMMAND_OK;
}

const struct command command_version = {"version", "print the version", run};
