#include "config/agent.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/agent_file.h"
#include "base/jschema.h"
#include "base/banned.h"

#define FILE_NAME    "root_agent.yaml"
#define SEED_DEFAULT "google_search_agent"
#define MAX_PATH     4096

struct agents {
    struct agent *items[AGENT_MAX]; /* owned, by folder name */
    size_t n;
    size_t chosen; /* the default */
};

static bool is_file(const char *dir, const char *folder, const char *name, char path[MAX_PATH])
{
    struct stat st;
    int n = snprintf(path, MAX_PATH, "%s/%s/%s", dir, folder, name);

    return n > 0 && n < MAX_PATH && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* A folder is named in URLs and in the database. */
static bool is_folder_name(const char *name)
{
    size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

    return n > 0 && n <= 128 && name[n] == '\0';
}

static void load_folder(struct agents *agents, const char *dir, const char *folder,
                        struct report *report)
{
    char path[MAX_PATH];

    if (!is_file(dir, folder, FILE_NAME, path)) {
        if (is_file(dir, folder, "root_agent.yml", path))
            report_warn(report, path, 0, 0, "", "not read; its name must be " FILE_NAME);
        else if (is_file(dir, folder, "agent.py", path))
            report_warn(report, path, 0, 0, "",
                        "Python agents are not supported; write a " FILE_NAME);
        return;
    }
    if (!is_folder_name(folder))
        report_fault(report, path, 0, 0, "",
                     "the name of the folder may hold letters, digits, \"_\" and \"-\" only");
    else if (agents->n == AGENT_MAX)
        report_fault(report, path, 0, 0, "", "more than %d agents", AGENT_MAX);
    else if (agent_file_load(folder, path, report, &agents->items[agents->n]) == ANTIPHON_OK)
        agents->n++;
}

static int is_candidate(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static enum antiphon_status load_all(struct agents *agents, const char *dir, struct report *report)
{
    struct dirent **entries = NULL;
    int n = scandir(dir, &entries, is_candidate, alphasort);

    if (n < 0) {
        char text[128];
        report_fault(report, dir, 0, 0, "", "cannot read the folder of agents: %s",
                     strerror_r(errno, text, sizeof(text)));
        return ANTIPHON_EINVAL;
    }
    for (int i = 0; i < n; i++) {
        load_folder(agents, dir, entries[i]->d_name, report);
        free(entries[i]);
    }
    free(entries);
    return ANTIPHON_OK;
}

/* "a, b, c" */
static void list(const struct agents *agents, struct buf *out)
{
    for (size_t i = 0; i < agents->n; i++)
        buf_printf(out, "%s%s", i ? ", " : "", agents->items[i]->folder);
}

static const struct agent *find(const struct agents *agents, const char *folder, size_t *index)
{
    for (size_t i = 0; i < agents->n; i++) {
        if (strcmp(agents->items[i]->folder, folder) == 0) {
            *index = i;
            return agents->items[i];
        }
    }
    return NULL;
}

static const char *nearest(const struct agents *agents, const char *folder)
{
    const char *names[AGENT_MAX];

    for (size_t i = 0; i < agents->n; i++)
        names[i] = agents->items[i]->folder;
    return jschema_nearest(folder, names, agents->n);
}

static void choose(struct agents *agents, const char *dir, const char *name, struct report *report)
{
    struct buf choices;

    if (find(agents, name ? name : SEED_DEFAULT, &agents->chosen) || (!name && agents->n == 1))
        return;
    buf_init(&choices, 4096);
    list(agents, &choices);
    const char *near = name ? nearest(agents, name) : NULL;
    if (name)
        report_fault(report, dir, 0, 0, "default_agent",
                     "there is no agent \"%s\"%s%s%s; there are: %s", name,
                     near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "",
                     buf_text(&choices));
    else
        report_fault(
            report, dir, 0, 0, "default_agent",
            "say which agent is the default (default_agent, ANTIPHON_DEFAULT_AGENT); there are: %s",
            buf_text(&choices));
    buf_deinit(&choices);
}

enum antiphon_status agents_load(const char *dir, const char *default_name, struct report *report,
                                 struct agents **agents)
{
    struct agents *made = calloc(1, sizeof(*made));
    unsigned before = report->faults;

    if (!made)
        return ANTIPHON_ENOMEM;
    enum antiphon_status status = load_all(made, dir, report);
    /* An agent that is refused may be the default one: only what is whole is chosen from. */
    if (status == ANTIPHON_OK && report->faults == before && made->n == 0)
        report_fault(report, dir, 0, 0, "", "no agent: no folder in here holds a " FILE_NAME);
    else if (report->faults == before)
        choose(made, dir, default_name, report);
    if (report->faults == before) {
        *agents = made;
        return ANTIPHON_OK;
    }
    agents_free(made);
    return ANTIPHON_EINVAL;
}

void agents_free(struct agents *agents)
{
    if (!agents)
        return;
    for (size_t i = 0; i < agents->n; i++)
        agent_file_free(agents->items[i]);
    free(agents);
}

const struct agent *agents_find(const struct agents *agents, const char *folder)
{
    size_t index;

    return find(agents, folder, &index);
}

const struct agent *agents_default(const struct agents *agents)
{
    return agents->items[agents->chosen];
}

size_t agents_count(const struct agents *agents)
{
    return agents->n;
}

const struct agent *agents_at(const struct agents *agents, size_t index)
{
    return index < agents->n ? agents->items[index] : NULL;
}

struct agent *agents_edit(struct agents *agents, size_t index)
{
    return agents->items[index];
}
