#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jschema.h"
#include "command/command.h"
#include "command/plugin_command.h"
#include "base/banned.h"

#define SUMMARY "Lists, inspects, tries and reloads plugins."

static const struct {
    const char *name, *usage, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"list", "[OPTION...]", "All plugins that can be found, and what a running server says of them.", plugin_list},
    {"inspect", "FILE", "What a plugin says about itself, without running it.", plugin_inspect},
    {"test", "FILE [TOOL JSON]", "Starts a plugin in a process of its own, and calls a tool.", plugin_test},
    {"reload", "[OPTION...]", "Makes the running server look for new and replaced plugins.", plugin_reload},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *out)
{
    fputs("usage: antiphon plugin COMMAND ...\n\n" SUMMARY "\n\n", out);
    for (size_t i = 0; i < COMMANDS; i++)
        (void)fprintf(out, "  %-8s %-17s %s\n", commands[i].name, commands[i].usage, commands[i].summary);
    fputs("\n`antiphon plugin COMMAND --help` tells more.\n", out);
}

static int unknown(const char *name)
{
    const char *names[COMMANDS], *nearest;

    for (size_t i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    nearest = jschema_nearest(name, names, COMMANDS);
    (void)fprintf(stderr, "antiphon plugin: unknown command '%s'%s%s%s; `antiphon plugin --help` lists them\n", name,
                  nearest ? " (did you mean '" : "", nearest ? nearest : "", nearest ? "'?)" : "");
    return COMMAND_USAGE;
}

static int run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;

    if (!name) {
        usage(stderr);
        return COMMAND_USAGE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        usage(stdout);
        return COMMAND_OK;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    return unknown(name);
}

enum antiphon_status plugin_split(const char *file, char **folder, char **name, struct err *err)
{
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
    size_t len = strlen(base);

    if (len <= 3 || strcmp(base + len - 3, ".so") != 0)
        return err_set(err, ANTIPHON_EINVAL, "%s: the name of a plugin's file is that of the plugin and .so", file);
    char *made_folder = !slash ? strdup(".") : slash == file ? strdup("/") : strndup(file, (size_t)(slash - file));
    char *made_name = strndup(base, len - 3);
    if (made_folder && made_name) {
        *folder = made_folder;
        *name = made_name;
        return ANTIPHON_OK;
    }
    free(made_folder);
    free(made_name);
    return err_set(err, ANTIPHON_ENOMEM, "out of memory");
}

const struct command command_plugin = {"plugin", SUMMARY, run};
