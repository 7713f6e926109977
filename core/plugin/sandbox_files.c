#include "plugin/sandbox_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/banned.h"

/* What newer kernels know and Debian 12's header does not: linux/landlock.h of 6.15. */
#define ACCESS_TRUNCATE        (1ull << 14) /* version 3 */
#define ACCESS_IOCTL_DEV       (1ull << 15) /* version 5 */
#define NET_BIND_TCP           (1ull << 0)  /* version 4 */
#define NET_CONNECT_TCP        (1ull << 1)
#define SCOPE_ABSTRACT_SOCKET  (1ull << 0) /* version 6 */
#define SCOPE_SIGNAL           (1ull << 1)
struct ruleset {
    uint64_t fs, net, scoped;
};

#define ACCESS_READ  (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_WRITE                                                                                         \
    (ACCESS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                           \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |            \
     LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER | ACCESS_TRUNCATE)
#define ACCESS_OF_FILE                                                                                       \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE | ACCESS_TRUNCATE)

/* What libc, the dynamic linker and sanitizers read. */
static const char *const always[] = {"/usr",
                                     "/lib",
                                     "/lib64",
                                     "/lib32",
                                     "/etc/ld.so.cache",
                                     "/etc/localtime",
                                     "/etc/timezone",
                                     "/proc/self",
                                     "/proc/cpuinfo",
                                     "/proc/meminfo",
                                     "/proc/stat",
                                     "/proc/sys/vm/overcommit_memory",
                                     "/sys/devices/system/cpu",
                                     "/dev/urandom",
                                     "/dev/random",
                                     "/dev/zero",
                                     NULL};
static const char *const with_net[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf",
                                       "/etc/gai.conf",    "/etc/services", "/etc/ssl",          NULL};
static const char *const with_exec[] = {"/bin", "/sbin", NULL};

int sandbox_landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return version < 0 ? 0 : (int)version;
}

static enum antiphon_status allow(int rules, const char *path, uint64_t access, struct err *err)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = access};
    struct stat st;
    enum antiphon_status status = ANTIPHON_OK;

    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return ANTIPHON_OK; /* not here: nothing to allow */
    if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rule.allowed_access &= ACCESS_OF_FILE;
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        status = err_set(err, ANTIPHON_EUNAVAILABLE, "Landlock rule for %s: %s", path, strerror(errno));
    close(rule.parent_fd);
    return status;
}

static enum antiphon_status allow_all(int rules, const char *const *paths, uint64_t access, struct err *err)
{
    enum antiphon_status status = ANTIPHON_OK;

    for (size_t i = 0; paths[i] && !status; i++)
        status = allow(rules, paths[i], access, err);
    return status;
}

static struct ruleset handled_by(int version, const struct sandbox *sandbox)
{
    struct ruleset handled = {.fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1};

    if (version >= 2)
        handled.fs |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3)
        handled.fs |= ACCESS_TRUNCATE;
    if (version >= 4 && !sandbox->net)
        handled.net = NET_BIND_TCP | NET_CONNECT_TCP;
    if (version >= 5)
        handled.fs |= ACCESS_IOCTL_DEV;
    if (version >= 6)
        handled.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
    return handled;
}

static size_t ruleset_size(int version)
{
    return version >= 6 ? sizeof(struct ruleset)
           : version >= 4 ? offsetof(struct ruleset, scoped)
                          : offsetof(struct ruleset, net);
}

enum antiphon_status sandbox_files(const struct sandbox *sandbox, struct err *err)
{
    int version = sandbox_landlock_version();
    struct ruleset handled = handled_by(version, sandbox);
    uint64_t read = ACCESS_READ | (sandbox->exec ? LANDLOCK_ACCESS_FS_EXECUTE : 0);
    enum antiphon_status status;

    if (version == 0)
        return ANTIPHON_OK;
    int rules = (int)syscall(SYS_landlock_create_ruleset, &handled, ruleset_size(version), 0);
    if (rules < 0)
        return err_set(err, ANTIPHON_EUNAVAILABLE, "Landlock: %s", strerror(errno));
    status = allow_all(rules, always, read & handled.fs, err);
    if (!status && sandbox->net)
        status = allow_all(rules, with_net, ACCESS_READ, err);
    if (!status && sandbox->exec)
        status = allow_all(rules, with_exec, read, err);
    if (!status)
        status = allow(rules, "/dev/null", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE, err);
    if (!status)
        status = allow_all(rules, sandbox->read, ACCESS_READ, err);
    if (!status)
        status = allow_all(rules, sandbox->write, ACCESS_WRITE & handled.fs, err);
    if (!status && syscall(SYS_landlock_restrict_self, rules, 0) != 0)
        status = err_set(err, ANTIPHON_EUNAVAILABLE, "Landlock: %s", strerror(errno));
    close(rules);
    return status;
}
