/* options - the command line of load. */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H
#include <stdbool.h>
#include <stdint.h>

#define OPTIONS_MAX_CYCLES 100

enum protocol { PROTOCOL_SAMPLE, PROTOCOL_V1, PROTOCOL_V1_BINARY };

struct options {
    const char *server;     /* command to start, with {port} and {upstream}; NULL: connect_to */
    const char *connect_to; /* ADDRESS:PORT */
    int pid;                /* with connect_to: whose CPU and memory is measured; 0: nobody's */
    int upstream_port;      /* 0: any */
    int cpu, server_cpu;    /* -1: wherever the kernel likes */
    bool tls;
    enum protocol protocol;
    unsigned sessions, turns, barge, idle; /* clients of each kind */
    unsigned up_bytes, down_bytes;         /* PCM of a frame */
    double turn_rate;   /* turns a second of each such client; 0: the next when the last is done */
    unsigned words;     /* of an answer */
    double barge_every; /* seconds */
    unsigned barge_frames;
    double connects;     /* a second */
    unsigned slow, drop; /* per cent of the audio clients */
    double warmup, seconds, leave;
    unsigned cycles; /* how often all of it */
    bool verify, compact;
    const char *json; /* file; "-": stdout */
    const char *cert; /* where the certificate is written */
    const char *label;
    const char *allocs; /* library that counts allocations of the server; NULL: they are not counted */
};

/* 0: run; else the exit code plus 1 (help: 1, wrong: 3). Messages are printed. */
int options_parse(int argc, char **argv, struct options *options);
#endif
