#include "plugin/sandbox_impl.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/banned.h"

/* Names that this machine's or this libseccomp's table does not have are passed over. */
static const char always[] =
    /* descriptors */
    "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 close close_range lseek _llseek fcntl "
    "fcntl64 flock dup dup2 dup3 pipe pipe2 ioctl poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 "
    "epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4 "
    "timerfd_create timerfd_settime timerfd_gettime timerfd_settime64 timerfd_gettime64 inotify_init inotify_init1 "
    "inotify_add_watch inotify_rm_watch sendfile sendfile64 splice tee fsync fdatasync ftruncate ftruncate64 fallocate "
    "fadvise64 fadvise64_64 readahead copy_file_range "
    /* files, as far as Landlock lets them */
    "open openat openat2 creat stat fstat lstat newfstatat fstatat64 stat64 fstat64 lstat64 statx access faccessat "
    "faccessat2 readlink readlinkat getdents getdents64 getcwd chdir fchdir statfs fstatfs statfs64 fstatfs64 umask "
    /* memory */
    "mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 munlock mlockall munlockall brk membarrier "
    "memfd_create pkey_alloc pkey_free pkey_mprotect mbind get_mempolicy set_mempolicy "
    /* signals to itself */
    "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 "
    "sigaltstack sigreturn sigaction sigprocmask pause alarm "
    /* who am I, what time is it */
    "getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups getuid32 geteuid32 getgid32 "
    "getegid32 getresuid32 getresgid32 getgroups32 getpgid getpgrp getsid getpriority getcpu getrlimit ugetrlimit "
    "getrusage times sysinfo uname capget getrandom clock_gettime clock_gettime64 clock_getres clock_getres_time64 "
    "clock_nanosleep clock_nanosleep_time64 gettimeofday time nanosleep timer_create timer_settime timer_settime64 "
    "timer_gettime timer_gettime64 timer_getoverrun timer_delete setitimer getitimer "
    /* threads */
    "futex futex_time64 futex_waitv set_robust_list get_robust_list set_tid_address rseq set_thread_area arch_prctl "
    "sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_getscheduler sched_get_priority_max "
    "sched_get_priority_min exit exit_group restart_syscall wait4 waitid waitpid "
    /* the sockets that it was given */
    "socketpair sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg recvmmsg_time64 recv send shutdown getsockopt "
    "setsockopt getsockname getpeername";
static const char with_write[] =
    "rename renameat renameat2 unlink unlinkat mkdir mkdirat rmdir link linkat symlink symlinkat truncate truncate64 "
    "chmod fchmod fchmodat utime utimes utimensat utimensat_time64 futimesat sync_file_range";
static const char with_net[] = "socket connect bind listen accept accept4";
static const char with_exec[] = "execve execveat fork vfork clone kill setpgid setsid";
/* Known and refused: EPERM says it better than ENOSYS. */
static const char never[] =
    "ptrace process_vm_readv process_vm_writev pidfd_open pidfd_getfd pidfd_send_signal tkill mount umount umount2 "
    "pivot_root chroot unshare setns open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr bpf "
    "perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register keyctl add_key request_key kexec_load "
    "kexec_file_load init_module finit_module delete_module reboot swapon swapoff settimeofday stime clock_settime "
    "clock_settime64 adjtimex clock_adjtime clock_adjtime64 sethostname setdomainname acct quotactl syslog iopl ioperm "
    "personality setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups setuid32 setgid32 "
    "setreuid32 setregid32 setresuid32 setresgid32 setgroups32 capset chown lchown fchown fchownat chown32 lchown32 "
    "fchown32 setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr mknod mknodat setrlimit shmget shmat "
    "shmctl msgget msgsnd msgrcv msgctl semget semop semctl mq_open mq_unlink name_to_handle_at open_by_handle_at "
    "fanotify_init fanotify_mark vhangup sched_setscheduler sched_setparam sched_setattr setpriority ioprio_set "
    "process_madvise kcmp migrate_pages move_pages";

static int add_names(scmp_filter_ctx filter, uint32_t action, const char *names)
{
    char name[40];

    while (*names) {
        size_t len = strcspn(names, " ");
        if (len >= sizeof(name))
            return -EINVAL;
        memcpy(name, names, len);
        name[len] = '\0';
        int number = seccomp_syscall_resolve_name(name);
        int rc = number < 0 ? 0 : seccomp_rule_add_array(filter, action, number, 0, NULL);
        if (rc < 0)
            return rc;
        names += len + strspn(names + len, " ");
    }
    return 0;
}

static int add_one(scmp_filter_ctx filter, uint32_t action, const char *name, struct scmp_arg_cmp cmp)
{
    int number = seccomp_syscall_resolve_name(name);

    return number < 0 ? 0 : seccomp_rule_add_array(filter, action, number, 1, &cmp);
}

static struct scmp_arg_cmp when(unsigned arg, enum scmp_compare how, scmp_datum_t a, scmp_datum_t b)
{
    return (struct scmp_arg_cmp){.arg = arg, .op = how, .datum_a = a, .datum_b = b};
}

/* Allowed where the argument fits, EPERM elsewhere. */
static int add_if(scmp_filter_ctx filter, const char *name, struct scmp_arg_cmp fits, struct scmp_arg_cmp fits_not)
{
    int rc = add_one(filter, SCMP_ACT_ALLOW, name, fits);

    return rc < 0 ? rc : add_one(filter, SCMP_ACT_ERRNO(EPERM), name, fits_not);
}

static int add_conditions(scmp_filter_ctx filter, bool exec)
{
    static const char *const to_itself[] = {"tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "kill"};
    scmp_datum_t self = (scmp_datum_t)getpid();
    int rc = 0;

    for (size_t i = 0; i < 4 - (exec ? 1u : 0u) && rc >= 0; i++)
        rc = add_if(filter, to_itself[i], when(0, SCMP_CMP_EQ, self, 0), when(0, SCMP_CMP_NE, self, 0));
    if (rc >= 0)
        rc = add_if(filter, "prlimit64", when(2, SCMP_CMP_EQ, 0, 0), when(2, SCMP_CMP_NE, 0, 0));
    if (rc >= 0)
        rc = add_if(filter, "prctl", when(0, SCMP_CMP_NE, PR_SET_PDEATHSIG, 0),
                    when(0, SCMP_CMP_EQ, PR_SET_PDEATHSIG, 0));
    /* clone3() is ENOSYS as everything unknown: its flags lie in memory, where no filter can look. */
    if (rc >= 0 && !exec)
        rc = add_if(filter, "clone", when(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD),
                    when(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    return rc;
}

static int add_rules(scmp_filter_ctx filter, const struct sandbox *sandbox)
{
    const struct {
        bool allowed;
        const char *names;
    } groups[] = {{true, always},
                  {sandbox->write[0] != NULL, with_write},
                  {sandbox->net, with_net},
                  {sandbox->exec, with_exec}};
    int rc = 0;

    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]) && rc >= 0; i++) {
        if (groups[i].allowed)
            rc = add_names(filter, SCMP_ACT_ALLOW, groups[i].names);
        else if (groups[i].names != with_exec)
            rc = add_names(filter, SCMP_ACT_ERRNO(EPERM), groups[i].names);
    }
    if (rc >= 0 && !sandbox->exec)
        rc = add_names(filter, SCMP_ACT_ERRNO(EPERM), "execve execveat fork vfork setpgid setsid");
    if (rc >= 0)
        rc = add_names(filter, SCMP_ACT_ERRNO(EPERM), never);
    return rc < 0 ? rc : add_conditions(filter, sandbox->exec);
}

enum antiphon_status sandbox_calls(const struct sandbox *sandbox, struct err *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    int rc = filter ? add_rules(filter, sandbox) : -ENOMEM;

    if (rc >= 0)
        rc = seccomp_load(filter);
    if (filter)
        seccomp_release(filter);
    return rc < 0 ? err_set(err, ANTIPHON_EUNAVAILABLE, "seccomp: %s", strerror(-rc)) : ANTIPHON_OK;
}
