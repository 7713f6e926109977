/* command - what `antiphon NAME` runs. Exit codes: 0 fine, 1 it failed or faults were found, 2 wrong usage. [main] */
#ifndef COMMAND_COMMAND_H
#define COMMAND_COMMAND_H

#define COMMAND_OK 0
#define COMMAND_FAILED 1
#define COMMAND_USAGE 2

#define RUNNER_PROGRAM "/proc/self/exe" /* has the command `runner` */

struct command {
    const char *name, *summary; /* without a summary it is not for people, and not listed */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name */
};
extern const struct command command_serve, command_check, command_plugin, command_runner, command_version;
/* All commands, NULL-terminated. */
extern const struct command *const command_all[];
/* argv[0] is the program. */
int command_main(int argc, char **argv);
#endif
