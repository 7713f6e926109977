#include "plugin/sandbox_impl.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/banned.h"

#define MAX_FILES 64               /* descriptors */
#define MAX_WRITE ((rlim_t)1 << 30) /* bytes of one file, where writing is permitted */

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

bool sandbox_watches_memory(void)
{
    return SANITIZED;
}

static enum antiphon_status limit(int what, rlim_t max, const char *name, struct err *err)
{
    struct rlimit now;

    if (getrlimit((__rlimit_resource_t)what, &now) != 0)
        return err_set(err, ANTIPHON_EUNAVAILABLE, "getrlimit %s: %s", name, strerror(errno));
    if (now.rlim_max < max)
        max = now.rlim_max;
    now = (struct rlimit){max, max};
    if (setrlimit((__rlimit_resource_t)what, &now) != 0)
        return err_set(err, ANTIPHON_EUNAVAILABLE, "setrlimit %s: %s", name, strerror(errno));
    return ANTIPHON_OK;
}

static enum antiphon_status set_limits(const struct sandbox *sandbox, struct err *err)
{
    enum antiphon_status status = limit(RLIMIT_NOFILE, MAX_FILES, "NOFILE", err);

    if (!status)
        status = limit(RLIMIT_CORE, 0, "CORE", err);
    if (!status)
        status = limit(RLIMIT_MSGQUEUE, 0, "MSGQUEUE", err);
    if (!status && !sandbox->exec)
        status = limit(RLIMIT_FSIZE, sandbox->write[0] ? MAX_WRITE : 0, "FSIZE", err);
    if (!status && sandbox->memory && !SANITIZED)
        status = limit(RLIMIT_AS, (rlim_t)sandbox->memory, "AS", err);
    return status;
}

/* Root without capabilities is a user like any other, but for the files that belong to root. */
static enum antiphon_status give_up_privileges(struct err *err)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};

    if (syscall(SYS_capset, &head, none) != 0)
        return err_set(err, ANTIPHON_EUNAVAILABLE, "capset: %s", strerror(errno));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_set(err, ANTIPHON_EUNAVAILABLE, "no_new_privs: %s", strerror(errno));
    return ANTIPHON_OK;
}

enum antiphon_status sandbox_enter(const struct sandbox *sandbox, struct err *err)
{
    enum antiphon_status status = set_limits(sandbox, err);

    if (!status)
        status = give_up_privileges(err);
    if (!status)
        status = sandbox_files(sandbox, err);
    if (!status)
        status = sandbox_calls(sandbox, err);
    return status;
}
