/* sandbox - locks the calling process in before code of a stranger runs in it: resource limits, no privileges, no files, no
 * other programs, no network. For good, and for all threads that are started afterwards, so: [main], before there is any
 * other thread.
 *
 *   limits        address space, open files, size of files, no core files
 *   privileges    all capabilities given up, PR_SET_NO_NEW_PRIVS
 *   files         Landlock, where the kernel has it (5.13): reading what a program needs to run (/usr, /lib, a few of
 *                 /etc, /dev and /proc/self), and what is permitted
 *   system calls  libseccomp: those of a list; EPERM for known others, ENOSYS for what the list does not know (so that
 *                 libc falls back). Signals to itself only, no other process, no sockets of its own
 *
 * Builds with a sanitizer reserve terabytes of addresses, so they do without the limit of address space; whoever watches
 * the process has to look at its resident memory. */
#ifndef PLUGIN_SANDBOX_H
#define PLUGIN_SANDBOX_H
#include "base/err.h"

#define SANDBOX_MAX_FILES 64 /* paths of each kind; more are refused */

struct sandbox {
    uint64_t memory;    /* bytes of address space; 0: no limit */
    bool net, exec;     /* sockets of its own; other programs */
    /* Paths of files and folders, NULL-terminated; those that do not exist are passed over. */
    const char *read[SANDBOX_MAX_FILES + 1], *write[SANDBOX_MAX_FILES + 1];
};

/* Whether this build limits resident memory from outside instead of address space. */
bool sandbox_watches_memory(void);
/* The version of the kernel's Landlock; 0: it has none. */
int sandbox_landlock_version(void);
/* EUNAVAILABLE: the kernel refused; then the process must not go on. A kernel without Landlock is no failure. */
enum antiphon_status sandbox_enter(const struct sandbox *sandbox, struct err *err) MUST_CHECK;
#endif
