/* reload - takes new and replaced plugins while the server runs: watches the plugin folders, looks when something there
 * has changed (and has been still for a moment) or when it is told to.
 *
 * A file that an agent or the settings name, that is not the one which was loaded, and whose plugin lives in a process of
 * its own is started beside the old one and offered to new conversations if all is well. What fails changes nothing and is
 * said in one line. A file that is not whole yet is left alone until it changes again. A plugin that lives in the server's
 * process cannot be replaced there: it is said that a restart is needed. */
#ifndef COMMAND_RELOAD_H
#define COMMAND_RELOAD_H
#include "command/assembly.h"

#define RELOAD_STILL_MS  300  /* without a change, before it is looked */
#define RELOAD_MAX_FILES 1024 /* that are remembered; more are not watched, which is logged */

struct reload;
/* assembly is borrowed and was loaded; from now on only this thread loads plugins. */
enum antiphon_status reload_start(struct assembly *assembly, struct reload **reload, struct err *err) MUST_CHECK;
void reload_now(struct reload *reload); /* any thread: look, whether or not something changed */
/* Waits for a plugin that is being started: isolate_stop() ends that. */
void reload_stop(struct reload *reload);
#endif
