#include "plugin/catalog.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "plugin/loader.h"
#include "base/banned.h"

struct catalog {
    struct manifest *manifests[CATALOG_MAX_PLUGINS]; /* owned; ordered by name */
    size_t n;
};

struct names {
    char *items[CATALOG_MAX_PLUGINS]; /* owned */
    size_t n;
    bool full, no_memory;
};

static bool has_name(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->items[i], name) == 0)
            return true;
    }
    return false;
}

static void take_file(struct names *names, const char *file)
{
    size_t len = strlen(file);

    if (len <= 3 || len - 3 > LOADER_MAX_NAME || strcmp(file + len - 3, ".so") != 0)
        return;
    char *name = strndup(file, len - 3);
    if (!name || has_name(names, name) || names->n == CATALOG_MAX_PLUGINS) {
        names->no_memory = names->no_memory || !name;
        names->full = names->full || (name && !has_name(names, name));
        free(name);
        return;
    }
    names->items[names->n++] = name;
}

static void take_folder(struct names *names, const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;

    if (!folder) {
        if (errno != ENOENT)
            log_warn("plugin", "%s: %s", path, strerror(errno));
        return;
    }
    while ((entry = readdir(folder)))
        take_file(names, entry->d_name);
    closedir(folder);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What is wrong with the file is for whoever wants to load it to say. */
static struct manifest *read_one(const char *const *dirs, const char *name)
{
    struct manifest *manifest = NULL;
    struct err err = {0};
    char *path = NULL;
    int fd = -1;

    if (loader_find(dirs, name, &path, &fd, &manifest, &err))
        return NULL;
    free(path);
    close(fd);
    /* What calls itself otherwise than its file is never loaded. */
    if (manifest && strcmp(manifest_name(manifest), name) != 0) {
        manifest_free(manifest);
        return NULL;
    }
    return manifest;
}

static void read_all(const char *const *dirs, struct names *names, struct catalog *catalog)
{
    for (size_t i = 0; dirs[i]; i++)
        take_folder(names, dirs[i]);
    if (names->full)
        log_warn("plugin", "there are more than %d plugins; the tools of some are not known", CATALOG_MAX_PLUGINS);
    qsort(names->items, names->n, sizeof(names->items[0]), by_name);
    for (size_t i = 0; i < names->n; i++) {
        struct manifest *manifest = read_one(dirs, names->items[i]);
        if (manifest)
            catalog->manifests[catalog->n++] = manifest;
        free(names->items[i]);
    }
}

enum antiphon_status catalog_read(const char *const *dirs, struct catalog **catalog)
{
    struct catalog *made = calloc(1, sizeof(*made));
    struct names *names = calloc(1, sizeof(*names));
    enum antiphon_status status = ANTIPHON_ENOMEM;

    if (!made || !names)
        goto out;
    read_all(dirs, names, made);
    if (names->no_memory)
        goto out;
    *catalog = made;
    made = NULL;
    status = ANTIPHON_OK;
out:
    free(names);
    catalog_free(made);
    return status;
}

void catalog_free(struct catalog *catalog)
{
    if (!catalog)
        return;
    for (size_t i = 0; i < catalog->n; i++)
        manifest_free(catalog->manifests[i]);
    free(catalog);
}

const char *catalog_owner(const struct catalog *catalog, const char *tool, size_t index)
{
    for (size_t i = 0; i < catalog->n; i++) {
        if (manifest_tool(catalog->manifests[i], tool) && index-- == 0)
            return manifest_name(catalog->manifests[i]);
    }
    return NULL;
}

size_t catalog_tools(const struct catalog *catalog, const char **names, size_t max)
{
    const cJSON *tool;
    size_t n = 0;

    for (size_t i = 0; i < catalog->n; i++) {
        cJSON_ArrayForEach (tool, json_get(manifest_tree(catalog->manifests[i]), "tools")) {
            const char *name = json_get_string(tool, "name");
            if (name && n < max)
                names[n++] = name;
        }
    }
    return n;
}
