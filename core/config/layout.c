#include "config/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"

#define MAX_PATH 4096

static bool is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static char *join(const char *base, const char *tail)
{
    char *text = NULL;

    return asprintf(&text, "%s%s", base, tail) < 0 ? NULL : text;
}

static bool is_source_tree(const char *root)
{
    char *cmake = join(root, "/CMakeLists.txt"), *agents = join(root, "/agents");
    bool yes = cmake && agents && access(cmake, F_OK) == 0 && is_dir(agents);

    free(cmake);
    free(agents);
    return yes;
}

/* Bytes of the prefix that both configured install folders start with, without its "/". */
static size_t prefix_len(void)
{
    const char *lib = ANTIPHON_INSTALL_LIBDIR, *data = ANTIPHON_INSTALL_DATADIR;
    size_t n = 0, cut = 0;

    for (; lib[n] && lib[n] == data[n]; n++) {
        if (lib[n] == '/')
            cut = n;
    }
    return cut;
}

/* The parent of a path without "..", in place. */
static bool to_parent(char *path)
{
    char *slash = strrchr(path, '/');

    if (!slash || slash == path)
        return false;
    *slash = '\0';
    return true;
}

static void set(struct layout *layout, const char *data, const char *plugin_base,
                const char *plugin_tail)
{
    layout->agents = join(data, "/agents");
    layout->statics = join(data, "/static");
    layout->plugins = join(plugin_base, plugin_tail);
}

enum antiphon_status layout_find_from(const char *exe_dir, struct layout *layout, struct err *err)
{
    char root[MAX_PATH];
    size_t cut = prefix_len();
    char *data = NULL;

    *layout = (struct layout){0};
    int n = snprintf(root, sizeof(root), "%s", exe_dir);
    if (n < 0 || n >= (int)sizeof(root))
        return err_set(err, ANTIPHON_ETOOBIG, "the path of the executable is too long");
    bool parent = to_parent(root);
    if (parent)
        data = join(root, &ANTIPHON_INSTALL_DATADIR[cut]);
    if (data && is_dir(data)) {
        char *lib = join(root, &ANTIPHON_INSTALL_LIBDIR[cut]);
        if (lib)
            set(layout, data, lib, "/plugins");
        free(lib);
    } else if (parent && to_parent(root) && is_source_tree(root)) {
        set(layout, root, exe_dir, "/plugins");
    } else {
        set(layout, ANTIPHON_INSTALL_DATADIR, ANTIPHON_INSTALL_LIBDIR, "/plugins");
    }
    free(data);
    if (layout->agents && layout->statics && layout->plugins)
        return ANTIPHON_OK;
    layout_deinit(layout);
    return err_set(err, ANTIPHON_ENOMEM, "out of memory");
}

enum antiphon_status layout_find(struct layout *layout, struct err *err)
{
    char path[MAX_PATH];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (n <= 0 || (size_t)n == sizeof(path) - 1)
        return err_set(err, ANTIPHON_EUNAVAILABLE, "cannot read /proc/self/exe");
    path[n] = '\0';
    if (!to_parent(path))
        return err_set(err, ANTIPHON_EUNAVAILABLE, "cannot tell the folder of %s", path);
    return layout_find_from(path, layout, err);
}

void layout_deinit(struct layout *layout)
{
    free(layout->agents);
    free(layout->statics);
    free(layout->plugins);
    *layout = (struct layout){0};
}
