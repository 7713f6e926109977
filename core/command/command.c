#include "command/command.h"

#include <stdio.h>
#include <string.h>

#include "base/jschema.h"
#include "base/banned.h"

#define MAX_COMMANDS 32

const struct command *const command_all[] = {&command_serve, &command_check, &command_plugin, &command_runner, &command_version, NULL};

static void usage(FILE *out)
{
    fputs("usage: antiphon COMMAND [OPTION...]\n\n"
          "A realtime agent runtime: agents from config files, tools from shared objects,\n"
          "conversations in a database, text and voice between browsers and a live model.\n\n"
          "commands:\n", out);
    for (size_t i = 0; command_all[i]; i++) {
        if (!command_all[i]->summary)
            continue;
        (void)fprintf(out, "  %-10s %s\n", command_all[i]->name, command_all[i]->summary);
    }
    fputs("\n`antiphon COMMAND --help` tells the options of a command.\n", out);
}

static int unknown(const char *name)
{
    const char *names[MAX_COMMANDS];
    const char *nearest;
    size_t n = 0;

    for (; command_all[n] && n < MAX_COMMANDS; n++)
        names[n] = command_all[n]->name;
    nearest = jschema_nearest(name, names, n);
    (void)fprintf(stderr, "antiphon: unknown command '%s'", name);
    if (nearest)
        (void)fprintf(stderr, " (did you mean '%s'?)", nearest);
    fputs("; `antiphon --help` lists them\n", stderr);
    return COMMAND_USAGE;
}

int command_main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;

    if (!name) {
        usage(stderr);
        return COMMAND_USAGE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        usage(stdout);
        return COMMAND_OK;
    }
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; command_all[i]; i++) {
        if (strcmp(command_all[i]->name, name) == 0)
            return command_all[i]->run(argc - 1, argv + 1);
    }
    return unknown(name);
}
