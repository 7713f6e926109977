#include "command/demo.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/banned.h"

extern char **environ;

struct demo {
    pid_t pid;
    int out; /* its standard output; kept open so that it can write */
};

void demo_environment(const char *base_url)
{
    setenv("GOOGLE_API_KEY", "demo", 1);
    setenv("GOOGLE_GEMINI_BASE_URL", base_url, 1);
    unsetenv("GEMINI_API_KEY");
    unsetenv("GOOGLE_GENAI_USE_VERTEXAI");
    unsetenv("GOOGLE_GENAI_USE_ENTERPRISE");
}

static enum antiphon_status find_program(char *path, size_t size, struct err *err)
{
    ssize_t n = readlink("/proc/self/exe", path, size - 1);
    char *slash;

    if (n <= 0)
        return err_set(err, ANTIPHON_EINTERNAL, "cannot find the folder of the executable: %s", strerror(errno));
    path[n] = '\0';
    slash = strrchr(path, '/');
    if (!slash || (size_t)(slash - path) + sizeof("/live-sim") > size)
        return err_set(err, ANTIPHON_ETOOBIG, "the path of the executable is too long");
    memcpy(slash, "/live-sim", sizeof("/live-sim"));
    if (access(path, X_OK) != 0)
        return err_set(err, ANTIPHON_ENOTFOUND, "the stand-in is missing: %s", path);
    return ANTIPHON_OK;
}

static enum antiphon_status spawn(const char *path, struct demo *demo, struct err *err)
{
    char *argv[] = {(char *)(uintptr_t)path, (char *)(uintptr_t)"--port", (char *)(uintptr_t)"0",
                    (char *)(uintptr_t)"--demo", (char *)(uintptr_t)"--exit-with-parent", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    int fds[2], failure;

    if (pipe(fds) != 0)
        return err_set(err, ANTIPHON_EINTERNAL, "pipe: %s", strerror(errno));
    sigemptyset(&none);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    /* A Ctrl-C at the terminal is for us; the child goes when we let it. */
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawn_file_actions_addclose(&actions, fds[0]);
    posix_spawn_file_actions_addclose(&actions, fds[1]);
    failure = posix_spawn(&demo->pid, path, &actions, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    close(fds[1]);
    demo->out = fds[0];
    if (failure) {
        demo->pid = 0;
        return err_set(err, ANTIPHON_EINTERNAL, "cannot start the stand-in %s: %s", path, strerror(failure));
    }
    return ANTIPHON_OK;
}

/* Reads up to the first line's end. */
static bool read_line(int fd, char *line, size_t size)
{
    uint64_t until = clock_now_ms() + DEMO_START_TIMEOUT_MS;
    size_t len = 0;

    while (len + 1 < size) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        uint64_t now = clock_now_ms();
        if (now >= until || poll(&poll_fd, 1, (int)(until - now)) <= 0)
            return false;
        if (read(fd, line + len, 1) != 1)
            return false;
        if (line[len] == '\n') {
            line[len] = '\0';
            return true;
        }
        len++;
    }
    return false;
}

enum antiphon_status demo_start(struct demo **demo, struct err *err)
{
    static const char before[] = "live-sim listening on ";
    struct demo *made = calloc(1, sizeof(*made));
    char path[4096], line[256];
    enum antiphon_status status;

    if (!made)
        return err_set(err, ANTIPHON_ENOMEM, "out of memory");
    made->out = -1;
    status = find_program(path, sizeof(path), err);
    if (!status)
        status = spawn(path, made, err);
    if (!status &&
        (!read_line(made->out, line, sizeof(line)) || strncmp(line, before, sizeof(before) - 1) != 0))
        status = err_set(err, ANTIPHON_EUNAVAILABLE, "the stand-in did not start: %s", path);
    if (status) {
        demo_stop(made);
        return status;
    }
    demo_environment(line + sizeof(before) - 1);
    *demo = made;
    return ANTIPHON_OK;
}

void demo_stop(struct demo *demo)
{
    if (!demo)
        return;
    if (demo->pid > 0) {
        kill(demo->pid, SIGTERM);
        (void)waitpid(demo->pid, NULL, 0);
    }
    if (demo->out >= 0)
        close(demo->out);
    free(demo);
}
