/* plugin_command - `antiphon plugin list|inspect|test|reload`: one file each, called by plugin.c with argv[0] the
 * sub-command's name. Exit codes as command.h. [main] */
#ifndef COMMAND_PLUGIN_COMMAND_H
#define COMMAND_PLUGIN_COMMAND_H
#include "base/err.h"

int plugin_list(int argc, char **argv);
int plugin_inspect(int argc, char **argv);
int plugin_test(int argc, char **argv);
int plugin_reload(int argc, char **argv);

/* FILE taken apart for the loader: its folder and the plugin's name. Both are the caller's to free. EINVAL: the name does
 * not end in ".so". */
enum antiphon_status plugin_split(const char *file, char **folder, char **name, struct err *err) MUST_CHECK;
#endif
