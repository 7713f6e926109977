/* child - starts the server that is measured, waits until it answers, and ends it again. */
#ifndef LOAD_CHILD_H
#define LOAD_CHILD_H
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct child {
    int pid;           /* 0: not running */
    uint64_t start_ns; /* from fork to the first byte of an answer to GET / */
};

struct child_options {
    const char *command;   /* for sh -c; {port} and {upstream} are replaced */
    int port;              /* 0: chosen here */
    const char *upstream;  /* URL */
    const char *cert_file; /* its SSL_CERT_FILE; NULL: as ours */
    const char *preload;   /* its LD_PRELOAD; NULL: none */
    int core;              /* -1: any */
};

/* Blocks until it answers, for at most 60 s; address is where. False: why says what. */
bool child_start(const struct child_options *options, struct child *child,
                 struct sockaddr_in *address, char *why, size_t why_size);
/* SIGTERM to its process group, SIGKILL after 10 s. */
void child_stop(struct child *child);
#endif
