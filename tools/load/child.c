#include "child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "conn.h"
#include "loop.h"
#include "proc.h"
#include "scrape.h"

#define START_NS    60000000000u
#define STOP_NS     10000000000u
#define PAUSE_NS    300000 /* between two tries to connect */
#define MAX_COMMAND 8192

static void nap(long ns)
{
    struct timespec pause = {0, ns};

    nanosleep(&pause, NULL);
}

/* Appends n bytes; false: no room. */
static bool add(char *out, size_t *len, const char *text, size_t n)
{
    if (*len + n >= MAX_COMMAND)
        return false;
    memcpy(out + *len, text, n);
    *len += n;
    out[*len] = '\0';
    return true;
}

static bool fill_in(const char *command, int port, const char *upstream, char out[MAX_COMMAND])
{
    char number[16];
    size_t len = 0;

    (void)snprintf(number, sizeof(number), "%d", port);
    out[0] = '\0';
    while (*command) {
        const char *what = NULL;
        size_t skip = 1;
        if (strncmp(command, "{port}", 6) == 0) {
            what = number;
            skip = 6;
        } else if (strncmp(command, "{upstream}", 10) == 0) {
            what = upstream;
            skip = 10;
        }
        if (!add(out, &len, what ? what : command, what ? strlen(what) : 1))
            return false;
        command += skip;
    }
    return true;
}

/* A port that was free a moment ago. */
static int free_port(void)
{
    int port = 0, fd = conn_listen(&port);

    if (fd < 0)
        return 0;
    close(fd);
    return port;
}

static void become(const struct child_options *options, const char *command)
{
    char *argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", NULL, NULL};
    char line[MAX_COMMAND + 8];

    (void)snprintf(line, sizeof(line), "exec %s", command);
    argv[2] = line;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (options->cert_file)
        setenv("SSL_CERT_FILE", options->cert_file, 1);
    if (options->preload)
        setenv("LD_PRELOAD", options->preload, 1);
    proc_pin(options->core);
    dup2(STDERR_FILENO, STDOUT_FILENO); /* stdout is for results */
    execv("/bin/sh", argv);
    _exit(127);
}

bool child_start(const struct child_options *options, struct child *child,
                 struct sockaddr_in *address, char *why, size_t why_size)
{
    char command[MAX_COMMAND], answer[16];
    int port = options->port ? options->port : free_port(), status;
    uint64_t begun;

    *child = (struct child){0};
    if (!port || !fill_in(options->command, port, options->upstream, command)) {
        (void)snprintf(why, why_size, port ? "the command is too long" : "no free port");
        return false;
    }
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    begun = loop_now();
    child->pid = fork();
    if (child->pid == 0)
        become(options, command);
    if (child->pid < 0) {
        child->pid = 0;
        (void)snprintf(why, why_size, "cannot start a process: %s", strerror(errno));
        return false;
    }
    while (loop_now() - begun < START_NS) {
        if (scrape_get(address, "/", answer, sizeof(answer))) {
            child->start_ns = loop_now() - begun;
            return true;
        }
        if (waitpid(child->pid, &status, WNOHANG) == child->pid) {
            child->pid = 0;
            (void)snprintf(why, why_size, "the server ended before it answered: %s", command);
            return false;
        }
        nap(PAUSE_NS);
    }
    (void)snprintf(why, why_size, "the server did not answer within a minute");
    child_stop(child);
    return false;
}

void child_stop(struct child *child)
{
    uint64_t begun = loop_now();
    int status;

    if (!child->pid)
        return;
    kill(-child->pid, SIGTERM);
    while (waitpid(child->pid, &status, WNOHANG) == 0) {
        if (loop_now() - begun > STOP_NS) {
            kill(-child->pid, SIGKILL);
            waitpid(child->pid, &status, 0);
            break;
        }
        nap(1000000);
    }
    child->pid = 0;
}
