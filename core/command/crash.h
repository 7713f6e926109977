/* crash - the last words of a server that a plugin in its own process ends: by a signal such as SIGSEGV, or by exit(). One line on
 * standard error names plugin, step and reason; what comes next (core dump, a sanitizer's report) is left as it was. Nothing is said
 * of _exit(), of a stack that overflowed, or of threads that the plugin started itself, which nobody can tell whose they are. */
#ifndef COMMAND_CRASH_H
#define COMMAND_CRASH_H

/* [main] Before plugins are loaded. From now on an exit() that crash_allow_exit() did not announce ends the process with status 1. */
void crash_watch(void);
void crash_allow_exit(void);
#endif
