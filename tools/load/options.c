#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help_text[] =
    "usage: load --server 'COMMAND with {port} and {upstream}' [options]\n"
    "       load --connect ADDRESS:PORT --upstream-port N [--pid PID] [options]\n"
    "\n"
    "Is the clients of a server and the Live API behind it at once, and measures what is between: "
    "one-way\n"
    "latency from stamps within the audio, loss, CPU and memory of the server's process tree.\n"
    "\n"
    "  --server COMMAND     start this, as sh does; {upstream} is http[s]://127.0.0.1:PORT\n"
    "  --connect A:P        or measure one that runs, told to use --upstream-port\n"
    "  --pid PID            whose CPU and memory that is\n"
    "  --cpu N              keep to this core; any (any)\n"
    "  --server-cpu N       keep the server to this core; any (any)\n"
    "  --tls                TLS upstream; the certificate is in --cert FILE and in the server's "
    "SSL_CERT_FILE\n"
    "  --protocol P         sample, v1 or v1-binary (sample)\n"
    "  --sessions N         clients that speak and listen at the pace of speech (0)\n"
    "  --up-ms N            length of a frame to the server (40); or\n"
    "  --up-bytes N           its bytes, 256 as the sample's page sends them\n"
    "  --down-ms N          length of a frame from the model (40)\n"
    "  --turns N            clients that type (0)\n"
    "  --turn-rate R        turns a second of each; 0: one after the other (1)\n"
    "  --words N            of each answer (10)\n"
    "  --barge N            clients that are interrupted behind a burst of audio (0)\n"
    "  --barge-every S      (3)    --barge-frames N (250: 10 s)\n"
    "  --idle N             clients that are silent (0)\n"
    "  --connects R         connections a second while they come up (100)\n"
    "  --slow PERCENT       of the audio clients read slower than the audio comes (0)\n"
    "  --drop PERCENT       of the audio clients go away in mid-turn and come back (0)\n"
    "  --warmup S           (3)    --seconds S the window (20); SIGTERM ends it early\n"
    "  --cycles N           all of it as often, with the same server; counts and latencies of all together, CPU "
    "and memory of the last, and memory after each (1)\n"
    "  --leave S            how long after all clients have left it is looked what they leave "
    "behind (2)\n"
    "  --verify             look at every byte of audio\n"
    "  --compact            the model's JSON without white space\n"
    "  --json FILE          results as JSON; - for stdout instead of the table\n"
    "  --label TEXT         a name for the results\n"
    "  --allocs LIBRARY     count allocations of the server's shards (build/release/load-allocs.so)\n"
    "\n"
    "Exit code: 0 measured, 1 could not measure, 2 wrong command line.\n";

enum {
    SERVER = 256,
    CONNECT,
    PID,
    UPSTREAM_PORT,
    CPU,
    SERVER_CPU,
    TLS,
    CERT,
    PROTOCOL,
    SESSIONS,
    UP_MS,
    UP_BYTES,
    DOWN_MS,
    TURNS,
    TURN_RATE,
    WORDS,
    BARGE,
    BARGE_EVERY,
    BARGE_FRAMES,
    IDLE,
    CONNECTS,
    SLOW,
    DROP,
    WARMUP,
    SECONDS,
    LEAVE,
    CYCLES,
    VERIFY,
    COMPACT,
    JSON,
    LABEL,
    ALLOCS,
    HELP
};

static const struct option names[] = {{"server", required_argument, NULL, SERVER},
                                      {"connect", required_argument, NULL, CONNECT},
                                      {"pid", required_argument, NULL, PID},
                                      {"upstream-port", required_argument, NULL, UPSTREAM_PORT},
                                      {"cpu", required_argument, NULL, CPU},
                                      {"server-cpu", required_argument, NULL, SERVER_CPU},
                                      {"tls", no_argument, NULL, TLS},
                                      {"cert", required_argument, NULL, CERT},
                                      {"protocol", required_argument, NULL, PROTOCOL},
                                      {"sessions", required_argument, NULL, SESSIONS},
                                      {"up-ms", required_argument, NULL, UP_MS},
                                      {"up-bytes", required_argument, NULL, UP_BYTES},
                                      {"down-ms", required_argument, NULL, DOWN_MS},
                                      {"turns", required_argument, NULL, TURNS},
                                      {"turn-rate", required_argument, NULL, TURN_RATE},
                                      {"words", required_argument, NULL, WORDS},
                                      {"barge", required_argument, NULL, BARGE},
                                      {"barge-every", required_argument, NULL, BARGE_EVERY},
                                      {"barge-frames", required_argument, NULL, BARGE_FRAMES},
                                      {"idle", required_argument, NULL, IDLE},
                                      {"connects", required_argument, NULL, CONNECTS},
                                      {"slow", required_argument, NULL, SLOW},
                                      {"drop", required_argument, NULL, DROP},
                                      {"warmup", required_argument, NULL, WARMUP},
                                      {"seconds", required_argument, NULL, SECONDS},
                                      {"leave", required_argument, NULL, LEAVE},
                                      {"cycles", required_argument, NULL, CYCLES},
                                      {"verify", no_argument, NULL, VERIFY},
                                      {"compact", no_argument, NULL, COMPACT},
                                      {"json", required_argument, NULL, JSON},
                                      {"label", required_argument, NULL, LABEL},
                                      {"allocs", required_argument, NULL, ALLOCS},
                                      {"help", no_argument, NULL, HELP},
                                      {NULL, 0, NULL, 0}};

/* What takes a number: where it goes, and its bounds. */
static bool take_number(struct options *options, int which, const char *text)
{
    const struct {
        int which;
        unsigned *whole;
        double *real;
        double min, max, factor;
    } rows[] = {
        {SESSIONS, &options->sessions, NULL, 0, 100000, 1},
        {UP_MS, &options->up_bytes, NULL, 1, 500, 32},
        {UP_BYTES, &options->up_bytes, NULL, 26, 16384, 1},
        {DOWN_MS, &options->down_bytes, NULL, 1, 340, 48},
        {TURNS, &options->turns, NULL, 0, 100000, 1},
        {TURN_RATE, NULL, &options->turn_rate, 0, 1e6, 1},
        {WORDS, &options->words, NULL, 1, 1000, 1},
        {BARGE, &options->barge, NULL, 0, 10000, 1},
        {BARGE_EVERY, NULL, &options->barge_every, 0.1, 3600, 1},
        {BARGE_FRAMES, &options->barge_frames, NULL, 1, 100000, 1},
        {IDLE, &options->idle, NULL, 0, 100000, 1},
        {CONNECTS, NULL, &options->connects, 0.1, 1e6, 1},
        {SLOW, &options->slow, NULL, 0, 100, 1},
        {DROP, &options->drop, NULL, 0, 100, 1},
        {WARMUP, NULL, &options->warmup, 0, 3600, 1},
        {SECONDS, NULL, &options->seconds, 0.1, 86400, 1},
        {LEAVE, NULL, &options->leave, 0, 3600, 1},
        {CYCLES, &options->cycles, NULL, 1, OPTIONS_MAX_CYCLES, 1},
    };
    char *end;
    double value = strtod(text, &end);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].which != which)
            continue;
        if (*end || end == text || !(value >= rows[i].min) || value > rows[i].max)
            return false;
        if (rows[i].whole)
            *rows[i].whole = (unsigned)(value * rows[i].factor) & ~(rows[i].factor > 1 ? 1u : 0u);
        else
            *rows[i].real = value;
        return true;
    }
    return false;
}

static bool take_int(int *number, const char *text, long max)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (*end || end == text || value < 0 || value > max)
        return false;
    *number = (int)value;
    return true;
}

static bool take_core(int *core, const char *text)
{
    *core = -1;
    return strcmp(text, "any") == 0 || take_int(core, text, 1023);
}

static bool take_protocol(struct options *options, const char *text)
{
    static const char *const protocols[] = {"sample", "v1", "v1-binary"};

    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(protocols[i], text) == 0) {
            options->protocol = (enum protocol)i;
            return true;
        }
    }
    return false;
}

static bool take(struct options *options, int which, const char *text)
{
    switch (which) {
    case SERVER:
        options->server = text;
        return true;
    case CONNECT:
        options->connect_to = text;
        return true;
    case CERT:
        options->cert = text;
        return true;
    case JSON:
        options->json = text;
        return true;
    case LABEL:
        options->label = text;
        return true;
    case ALLOCS:
        options->allocs = text;
        return true;
    case TLS:
        return options->tls = true;
    case VERIFY:
        return options->verify = true;
    case COMPACT:
        return options->compact = true;
    case PROTOCOL:
        return take_protocol(options, text);
    case PID:
        return take_int(&options->pid, text, 1L << 30);
    case UPSTREAM_PORT:
        return take_int(&options->upstream_port, text, 65535);
    case CPU:
        return take_core(&options->cpu, text);
    case SERVER_CPU:
        return take_core(&options->server_cpu, text);
    default:
        return take_number(options, which, text);
    }
}

static int wrong(const char *what, const char *value)
{
    (void)fprintf(stderr, "load: %s%s (see --help)\n", what, value);
    return 3;
}

int options_parse(int argc, char **argv, struct options *options)
{
    int which;

    *options = (struct options){.cpu = -1,
                                .server_cpu = -1,
                                .up_bytes = 40 * 32,
                                .down_bytes = 40 * 48,
                                .turn_rate = 1,
                                .words = 10,
                                .barge_every = 3,
                                .barge_frames = 250,
                                .connects = 100,
                                .warmup = 3,
                                .seconds = 20,
                                .leave = 2,
                                .cycles = 1};
    while ((which = getopt_long(argc, argv, "", names, NULL)) >= 0) {
        if (which == HELP) {
            (void)fputs(help_text, stdout);
            return 1;
        }
        if (which == '?')
            return 3;
        if (!take(options, which, optarg ? optarg : ""))
            return wrong("not possible: ", argv[optind - 1]);
    }
    if (optind < argc)
        return wrong("what is ", argv[optind]);
    if (!options->server == !options->connect_to)
        return wrong("give --server or --connect", "");
    if (options->up_bytes % 2)
        return wrong("--up-bytes must be even", "");
    if (!(options->sessions + options->turns + options->barge + options->idle))
        return wrong("give --sessions, --turns, --barge or --idle", "");
    return 0;
}
