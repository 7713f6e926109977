/* banned - include this last in a .c file: any use of these names behind it does not compile.
 * Unbounded copies (strcpy, strcat, sprintf, gets), hidden static state (strtok, gmtime,
 * localtime), no error report (atoi), a shell (system, popen) and unbounded stack (alloca). Use
 * buf, snprintf, gmtime_r, localtime_r, strtol and posix_spawn. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H
/* A macro of that name would be expanded before the poison is seen, and poisoning it warns. */
#undef strcpy
#undef strcat
#undef sprintf
#undef strtok
#undef gets
#undef atoi
#undef gmtime
#undef localtime
#undef system
#undef popen
#undef alloca
#pragma GCC poison strcpy strcat sprintf strtok gets atoi gmtime localtime system popen alloca
#endif
