#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "report.h"

static int write_json(const struct options *options, const struct result *result)
{
    bool plain = strcmp(options->json, "-") == 0;
    FILE *out = plain ? stdout : fopen(options->json, "we");

    if (out)
        report_json(options, result, out);
    if (!out || fflush(out) || (!plain && fclose(out))) {
        (void)fprintf(stderr, "load: cannot write %s: %s\n", options->json, strerror(errno));
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct result result;
    struct options options;
    char why[400] = "";
    int code = options_parse(argc, argv, &options);

    if (code)
        return code - 1;
    signal(SIGPIPE, SIG_IGN);
    if (!run(&options, &result, why, sizeof(why))) {
        (void)fprintf(stderr, "load: %s\n", why);
        return 1;
    }
    if (!options.json || strcmp(options.json, "-") != 0)
        report_print(&options, &result, stdout);
    return options.json ? write_json(&options, &result) : 0;
}
