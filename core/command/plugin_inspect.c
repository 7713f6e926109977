#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "command/command.h"
#include "command/plugin_command.h"
#include "plugin/manifest.h"
#include "base/banned.h"

#define HELP                                                                                                 \
    "usage: antiphon plugin inspect [--json] FILE\n\n"                                                       \
    "Tells what the plugin says about itself in its manifest: name, version, ABI, tools with their schemas,\n" \
    "permissions, settings, secrets, licence. Nothing of the file is run or loaded, and it may be built for\n" \
    "another kind of machine.\n\n"                                                                           \
    "  --json   the manifest as it is\n"                                                                     \
    "  --help   this text\n\n"                                                                               \
    "Exit codes: 0 fine, 1 it has no valid manifest, 2 wrong usage.\n"

/* Such as "arm64, 64 bit, little-endian", into text. */
static const char *machine_of(int fd, char *text, size_t size)
{
    static const struct {
        unsigned machine;
        const char *name;
    } names[] = {{EM_X86_64, "x86-64"}, {EM_AARCH64, "arm64"}, {EM_386, "x86"}, {EM_ARM, "arm"},
                 {EM_RISCV, "riscv"},   {EM_PPC64, "ppc64"},   {EM_S390, "s390"}};
    unsigned char head[20] = {0};

    if (pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head))
        return "unknown";
    /* e_machine lies at 18 in both classes; its bytes come in the order that the file says. */
    bool big = head[EI_DATA] == ELFDATA2MSB;
    unsigned machine = big ? head[18] * 256u + head[19] : head[19] * 256u + head[18];
    const char *kind = head[EI_CLASS] == ELFCLASS32 ? "32 bit" : "64 bit", *order = big ? "big-endian" : "little-endian";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].machine != machine)
            continue;
        (void)snprintf(text, size, "%s, %s, %s", names[i].name, kind, order);
        return text;
    }
    (void)snprintf(text, size, "ELF machine %u, %s, %s", machine, kind, order);
    return text;
}

static void print_value(const char *label, const cJSON *value)
{
    char *text = cJSON_IsString(value) ? NULL : value ? cJSON_PrintUnformatted(value) : NULL;

    if (value)
        printf("%-12s %s\n", label, cJSON_IsString(value) ? value->valuestring : text ? text : "");
    cJSON_free(text);
}

static void print_list(const cJSON *list)
{
    const cJSON *item;

    cJSON_ArrayForEach (item, list) {
        if (cJSON_IsString(item))
            printf(" %s", item->valuestring);
    }
}

static void print_tools(const cJSON *tools)
{
    const cJSON *tool;

    cJSON_ArrayForEach (tool, tools) {
        const char *name = json_get_string(tool, "name"), *description = json_get_string(tool, "description");
        char *parameters = json_get(tool, "parameters") ? cJSON_PrintUnformatted(json_get(tool, "parameters")) : NULL;
        printf("tool         %s:", name ? name : "");
        print_list(json_get(tool, "flags"));
        printf("\n             %s\n             %s\n", description ? description : "",
               parameters ? parameters : "no arguments");
        cJSON_free(parameters);
    }
}

/* path: where the schema stands, such as "account"; "" at the root. */
static void print_secrets(const cJSON *schema, const char *path)
{
    const cJSON *property;
    char below[256];

    if (json_get_bool(schema, "writeOnly", false)) {
        printf("secret       %s%s", path,
               json_get_bool(schema, "x-host-only", false) ? " (the plugin never sees it)" : "");
        if (json_get(schema, "x-env"))
            printf(", from");
        print_list(json_get(schema, "x-env"));
        printf("\n");
    }
    cJSON_ArrayForEach (property, json_get(schema, "properties")) {
        int n = snprintf(below, sizeof(below), "%s%s%s", path, *path ? "." : "", property->string);
        if (n > 0 && (size_t)n < sizeof(below))
            print_secrets(property, below);
    }
    int n = snprintf(below, sizeof(below), "%s[]", path);
    if (json_get(schema, "items") && n > 0 && (size_t)n < sizeof(below))
        print_secrets(json_get(schema, "items"), below);
}

static void print_manifest(const struct manifest *manifest, const char *machine)
{
    const cJSON *tree = manifest_tree(manifest);

    printf("%-12s %s\n%-12s %s\n", "name", manifest_name(manifest), "version", manifest_version(manifest));
    print_value("description", json_get(tree, "description"));
    print_value("licence", json_get(tree, "licence"));
    printf("%-12s %s (this program: %s)\n%-12s %s\n", "ABI", manifest_abi(manifest), ANTIPHON_ABI, "machine", machine);
    print_tools(json_get(tree, "tools"));
    if (json_get_bool(tree, "dynamic_tools", false))
        printf("tools        more may come, as its settings or a server decide\n");
    print_value("models", json_get(tree, "models"));
    print_value("hooks", json_get(tree, "hooks"));
    if (json_get(tree, "permissions"))
        print_value("permissions", json_get(tree, "permissions"));
    else
        printf("permissions  none\n");
    print_value("settings", json_get(tree, "config"));
    print_secrets(json_get(tree, "config"), "");
}

static int inspect(const char *file, bool json)
{
    struct manifest *manifest = NULL;
    struct err err = {0};
    char machine[64];
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        (void)fprintf(stderr, "antiphon plugin inspect: %s: %s\n", file, strerror(errno));
        return COMMAND_FAILED;
    }
    enum antiphon_status status = manifest_read(fd, &manifest, &err);
    if (status) {
        (void)fprintf(stderr, "antiphon plugin inspect: %s: %s\n", file,
                      status == ANTIPHON_ENOTFOUND ? "it has no manifest, so nothing can be known of it without running it"
                                                   : err.text);
    } else if (json) {
        char *text = cJSON_Print(manifest_tree(manifest));
        puts(text ? text : "");
        cJSON_free(text);
    } else {
        print_manifest(manifest, machine_of(fd, machine, sizeof(machine)));
    }
    manifest_free(manifest);
    close(fd);
    return status ? COMMAND_FAILED : COMMAND_OK;
}

int plugin_inspect(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    int at = json ? 2 : 1;

    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(HELP, stdout);
        return COMMAND_OK;
    }
    if (argc != at + 1 || argv[at][0] == '-') {
        fputs(HELP, stderr);
        return COMMAND_USAGE;
    }
    return inspect(argv[at], json);
}
