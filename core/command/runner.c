#include <stdio.h>

#include "command/command.h"
#include "plugin/runner.h"
#include "base/banned.h"

static int run(int argc, char **argv)
{
    int exit_code = argc == 1 ? runner_main() : RUNNER_EXIT_USAGE;

    if (exit_code == RUNNER_EXIT_USAGE)
        (void)fprintf(stderr, "antiphon %s: is started by the server for a plugin that lives in a process of its own; it "
                              "is of no use to people\n", argv[0]);
    return exit_code;
}

const struct command command_runner = {"runner", NULL, run};
