/* options - the flags that serve and check share. [main] */
#ifndef COMMAND_OPTIONS_H
#define COMMAND_OPTIONS_H
#include "config/config.h"

/* Fills flags from argv. COMMAND_OK to go on; else an exit code in *exit_code was decided: --help printed (0) or wrong
 * usage said (2). */
bool options_parse(int argc, char **argv, const char *summary, struct config_flags *flags, int *exit_code);
#endif
