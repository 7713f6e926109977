#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help_text[] =
    "usage: live-sim [options]\n"
    "\n"
    "A stand-in for the Gemini Live API: same paths, same frames, same refusals, no model behind "
    "it.\n"
    "Prints `live-sim listening on URL` once it is ready.\n"
    "\n"
    "  --host HOST          address to listen on (127.0.0.1)\n"
    "  --port N             port, 0 for any free one (0)\n"
    "  --tls CERT KEY       serve TLS with these PEM files\n"
    "  --key KEY            refuse every other API key, and bearer tokens not made by POST /token\n"
    "  --scenario FILE      script faults and answers (README.md); may be repeated\n"
    "  --demo               say plainly, once a session, that this is not a model; implies --pace "
    "real\n"
    "  --pace real|fast     speak at the speed of speech, or as fast as tests like it (fast)\n"
    "  --strict             also refuse what the real server is only said to refuse\n"
    "  --stable-ids         the same handles and call ids in every run\n"
    "  --token-life S       expires_in of the tokens given out (3599)\n"
    "  --text-opcode        TEXT messages instead of BINARY\n"
    "  --compact            JSON without spaces\n"
    "  --fragment N         split messages into frames of N bytes\n"
    "  --log FILE           every frame in and out as JSON lines\n"
    "  --exit-with-parent   end when the process that started this one ends\n"
    "  --version, --help\n"
    "\n"
    "Exit code: 0 after SIGTERM or SIGINT, 1 when it cannot start, 2 for a wrong command line.\n";

enum {
    HOST = 256,
    PORT,
    TLS,
    KEY,
    SCENARIO,
    DEMO,
    PACE,
    STRICT,
    STABLE,
    LIFE,
    TEXT,
    COMPACT,
    FRAGMENT,
    LOG,
    PARENT,
    VERSION,
    HELP
};

static const struct option long_options[] = {{"host", required_argument, NULL, HOST},
                                             {"port", required_argument, NULL, PORT},
                                             {"tls", required_argument, NULL, TLS},
                                             {"key", required_argument, NULL, KEY},
                                             {"scenario", required_argument, NULL, SCENARIO},
                                             {"demo", no_argument, NULL, DEMO},
                                             {"pace", required_argument, NULL, PACE},
                                             {"strict", no_argument, NULL, STRICT},
                                             {"stable-ids", no_argument, NULL, STABLE},
                                             {"token-life", required_argument, NULL, LIFE},
                                             {"text-opcode", no_argument, NULL, TEXT},
                                             {"compact", no_argument, NULL, COMPACT},
                                             {"fragment", required_argument, NULL, FRAGMENT},
                                             {"log", required_argument, NULL, LOG},
                                             {"exit-with-parent", no_argument, NULL, PARENT},
                                             {"version", no_argument, NULL, VERSION},
                                             {"help", no_argument, NULL, HELP},
                                             {NULL, 0, NULL, 0}};

static enum options_result wrong(const char *what, const char *value)
{
    fprintf(stderr, "live-sim: %s%s%s (see --help)\n", what, value ? ": " : "", value ? value : "");
    return OPTIONS_WRONG;
}

static bool read_number(const char *text, uint32_t max, uint32_t *number)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (!*text || *end || *text == '-' || value > max)
        return false;
    *number = (uint32_t)value;
    return true;
}

static enum options_result read_numbers(struct options *options, int which, const char *value)
{
    uint32_t number;
    uint32_t max = which == PORT ? 65535 : 1U << 24;
    if (!read_number(value, max, &number) || (which == FRAGMENT && !number))
        return wrong(which == PORT       ? "--port takes a number up to 65535"
                     : which == FRAGMENT ? "--fragment takes a number of bytes"
                                         : "--token-life takes a number of seconds",
                     value);
    if (which == PORT)
        options->port = (uint16_t)number;
    else if (which == FRAGMENT)
        options->style.fragment = number;
    else
        options->token_life_s = number;
    return OPTIONS_RUN;
}

static enum options_result read_one(struct options *options, int which, int argc, char **argv)
{
    switch (which) {
    case HOST:
        options->host = optarg;
        break;
    case PORT:
    case FRAGMENT:
    case LIFE:
        return read_numbers(options, which, optarg);
    case TLS:
        if (optind >= argc || argv[optind][0] == '-')
            return wrong("--tls takes two files: certificate and key", NULL);
        options->tls_cert = optarg;
        options->tls_key = argv[optind++];
        break;
    case KEY:
        options->key = optarg;
        break;
    case SCENARIO:
        if (options->scenario_count == OPTIONS_MAX_SCENARIOS)
            return wrong("too many scenarios", optarg);
        options->scenarios[options->scenario_count++] = optarg;
        break;
    case PACE:
        if (strcmp(optarg, "real") != 0 && strcmp(optarg, "fast") != 0)
            return wrong("--pace is real or fast, not", optarg);
        options->real_pace = !strcmp(optarg, "real");
        break;
    case LOG:
        options->log = optarg;
        break;
    default:
        return wrong("unknown option", NULL);
    }
    return OPTIONS_RUN;
}

static bool read_switch(struct options *options, int which)
{
    if (which == DEMO)
        options->demo = options->real_pace = true;
    else if (which == STRICT)
        options->strict = true;
    else if (which == STABLE)
        options->stable_ids = true;
    else if (which == TEXT)
        options->style.text_opcode = true;
    else if (which == COMPACT)
        options->style.compact = true;
    else if (which == PARENT)
        options->exit_with_parent = true;
    else
        return false;
    return true;
}

enum options_result options_read(struct options *options, int argc, char **argv)
{
    int which;
    *options = (struct options){.host = "127.0.0.1", .token_life_s = 3599};
    optind = 1;
    while ((which = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (which == '?')
            return wrong("wrong option", NULL);
        if (which == HELP || which == VERSION) {
            fputs(which == HELP ? help_text : "live-sim " LIVE_SIM_VERSION "\n", stdout);
            return OPTIONS_DONE;
        }
        if (read_switch(options, which))
            continue;
        enum options_result result = read_one(options, which, argc, argv);
        if (result != OPTIONS_RUN)
            return result;
    }
    return optind < argc ? wrong("unexpected argument", argv[optind]) : OPTIONS_RUN;
}
