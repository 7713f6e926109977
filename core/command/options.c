#include "command/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "command/command.h"
#include "base/banned.h"

enum { OPT_CONFIG = 256, OPT_HOST, OPT_PORT, OPT_AGENTS, OPT_PLUGINS, OPT_STORE, OPT_STATIC, OPT_DEMO,
       OPT_SHARDS, OPT_METRICS, OPT_LOG, OPT_INSECURE, OPT_SAFE, OPT_HELP };

static const struct option table[] = {
    {"config", required_argument, NULL, OPT_CONFIG},
    {"host", required_argument, NULL, OPT_HOST},
    {"port", required_argument, NULL, OPT_PORT},
    {"agents", required_argument, NULL, OPT_AGENTS},
    {"plugins", required_argument, NULL, OPT_PLUGINS},
    {"store", required_argument, NULL, OPT_STORE},
    {"static", required_argument, NULL, OPT_STATIC},
    {"demo", no_argument, NULL, OPT_DEMO},
    {"shards", required_argument, NULL, OPT_SHARDS},
    {"metrics", required_argument, NULL, OPT_METRICS},
    {"log-level", required_argument, NULL, OPT_LOG},
    {"insecure-no-auth", no_argument, NULL, OPT_INSECURE},
    {"safe-mode", no_argument, NULL, OPT_SAFE},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static void help(const char *command, const char *summary)
{
    printf("usage: antiphon %s [OPTION...]\n\n%s\n\n", command, summary);
    puts("  --config FILE        settings (default: antiphon.yaml here, if there is one)\n"
         "  --host H             address to listen on (default 127.0.0.1)\n"
         "  --port N             port, 0 for any free one (default 8000)\n"
         "  --agents DIR         folder of agents; each sub-folder with a root_agent.yaml is one\n"
         "  --plugins DIR        folder with more plugins; may be repeated, shipped ones are always found\n"
         "  --store sqlite:PATH  database (default sqlite:antiphon.db)\n"
         "  --static DIR         folder of the web client\n"
         "  --demo               no key needed: talk to the built-in stand-in instead of a model\n"
         "  --shards N           threads that serve connections (default: one a core)\n"
         "  --metrics HOST:PORT  serve /metrics there and not with the rest\n"
         "  --log-level L        debug, info, warn or error (default info)\n"
         "  --insecure-no-auth   allow a --host that others can reach although nobody signs in\n"
         "  --safe-mode          load no plugins but those that came with the program\n"
         "  --help               this text\n\n"
         "Flags beat the environment (and .env), the environment beats the settings file.");
}

static bool parse_number(const char *text, long max, int *number)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 0 || value > max)
        return false;
    *number = (int)value;
    return true;
}

static bool add_plugins(struct config_flags *flags, const char *dir)
{
    for (size_t i = 0; i + 1 < CONFIG_MAX_PLUGIN_DIRS; i++) {
        if (!flags->plugin_dirs[i]) {
            flags->plugin_dirs[i] = dir;
            return true;
        }
    }
    return false;
}

/* One flag; NULL if fine, else what would be right. */
static const char *take(int option, const char *value, struct config_flags *flags)
{
    switch (option) {
    case OPT_CONFIG: flags->config_file = value; break;
    case OPT_HOST: flags->host = value; break;
    case OPT_AGENTS: flags->agents_dir = value; break;
    case OPT_STORE: flags->store = value; break;
    case OPT_STATIC: flags->static_dir = value; break;
    case OPT_METRICS: flags->metrics = value; break;
    case OPT_LOG: flags->log_level = value; break;
    case OPT_DEMO: flags->demo = true; break;
    case OPT_INSECURE: flags->insecure_no_auth = true; break;
    case OPT_SAFE: flags->safe_mode = true; break;
    case OPT_PORT: return parse_number(value, 65535, &flags->port) ? NULL : "--port takes 0 to 65535";
    case OPT_SHARDS: return parse_number(value, 64, &flags->shards) ? NULL : "--shards takes 0 to 64 (0: one a core)";
    case OPT_PLUGINS: return add_plugins(flags, value) ? NULL : "--plugins was given too often";
    default: return "";
    }
    return NULL;
}

bool options_parse(int argc, char **argv, const char *summary, struct config_flags *flags, int *exit_code)
{
    int option;

    *flags = (struct config_flags){.port = -1, .shards = -1};
    optind = 1;
    while ((option = getopt_long(argc, argv, "h", table, NULL)) != -1) {
        const char *wrong;
        if (option == OPT_HELP || option == 'h') {
            help(argv[0], summary);
            *exit_code = COMMAND_OK;
            return false;
        }
        wrong = take(option, optarg, flags);
        if (wrong) {
            if (wrong[0])
                (void)fprintf(stderr, "antiphon %s: %s\n", argv[0], wrong);
            *exit_code = COMMAND_USAGE;
            return false;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "antiphon %s: unexpected '%s'; --help tells the options\n", argv[0], argv[optind]);
        *exit_code = COMMAND_USAGE;
        return false;
    }
    return true;
}
