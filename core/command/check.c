#include <stdio.h>
#include <string.h>

#include "command/assembly.h"
#include "command/command.h"
#include "command/demo.h"
#include "command/options.h"
#include "net/static_files.h"
#include "base/banned.h"

#define SUMMARY "Checks settings, agents and plugins and tells every fault at once."

static void count(void *ctx, const char *name, const char *version)
{
    size_t *n = ctx;

    (void)name;
    (void)version;
    (*n)++;
}

static void check_static(const struct config *config, struct report *report)
{
    struct static_files *files = NULL;
    struct err err = {0};

    if (static_files_load(config->static_dir, &files, &err))
        report_fault(report, NULL, 0, 0, "static_dir", "%s", err.text);
    static_files_free(files);
}

static int run(int argc, char **argv)
{
    static const struct host_services none = {0};
    struct assembly assembly = {.runner = RUNNER_PROGRAM};
    struct config_flags flags;
    struct report report;
    int exit_code = COMMAND_FAILED;

    if (!options_parse(argc, argv, SUMMARY, &flags, &exit_code))
        return exit_code;
    report_init(&report);
    if (!assembly_load_config(&assembly, &flags, &report)) {
        if (assembly.config->demo)
            demo_environment("http://127.0.0.1:1");
        check_static(assembly.config, &report);
        if (!assembly_load_plugins(&assembly, &none, &report) && !report.faults)
            exit_code = COMMAND_OK;
    }
    fputs(buf_text(&report.text), stderr);
    if (exit_code == COMMAND_OK) {
        size_t plugins = 0;
        registry_each(assembly.registry, count, &plugins);
        printf("ok: %zu agents, %zu plugins\n", agents_count(assembly.agents), plugins);
    } else {
        (void)fprintf(stderr, "%u %s found\n", report.faults, report.faults == 1 ? "fault" : "faults");
    }
    assembly_free(&assembly);
    report_deinit(&report);
    return exit_code;
}

const struct command command_check = {"check", SUMMARY, run};
