#include "zones.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_ZONES 1024 /* the database has about 420 */
#define MAX_LINE  512

struct zones {
    char *names[MAX_ZONES]; /* owned */
    size_t n;
};

enum antiphon_status zones_new(const char *folder, struct zones **zones, char *why, size_t why_size)
{
    struct zones *made = calloc(1, sizeof(*made));
    char line[MAX_LINE], name[ZONES_MAX_BYTES];
    FILE *file = NULL;
    enum antiphon_status status = ANTIPHON_ENOMEM;

    (void)snprintf(line, sizeof(line), "%s/zone.tab", folder);
    (void)snprintf(why, why_size, "out of memory");
    if (!made)
        goto out;
    status = ANTIPHON_EUNAVAILABLE;
    (void)snprintf(why, why_size, "%s cannot be read; it belongs to the package tzdata", line);
    file = fopen(line, "re");
    if (!file)
        goto out;
    /* Country, coordinates, name, perhaps a comment, with tabs between. */
    while (made->n < MAX_ZONES && fgets(line, sizeof(line), file)) {
        if (line[0] == '#' || sscanf(line, "%*s %*s %63s", name) != 1)
            continue;
        made->names[made->n] = strdup(name);
        if (!made->names[made->n])
            goto out;
        made->n++;
    }
    if (made->n > 0)
        status = ANTIPHON_OK;
out:
    if (file)
        (void)fclose(file);
    if (status == ANTIPHON_OK)
        *zones = made;
    else
        zones_free(made);
    return status;
}

void zones_free(struct zones *zones)
{
    if (!zones)
        return;
    for (size_t i = 0; i < zones->n; i++)
        free(zones->names[i]);
    free(zones);
}

/* Spaces and underscores are the same. */
static bool is_same(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        int left = *a == ' ' ? '_' : tolower((unsigned char)*a);
        int right = *b == ' ' ? '_' : tolower((unsigned char)*b);
        if (left != right)
            return false;
    }
    return *a == *b;
}

/* Behind the last slash. */
static const char *city_of(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

static const char *look_up(const struct zones *zones, const char *name)
{
    for (size_t i = 0; i < zones->n; i++) {
        if (is_same(zones->names[i], name))
            return zones->names[i];
    }
    for (size_t i = 0; i < zones->n; i++) {
        if (is_same(city_of(zones->names[i]), name))
            return zones->names[i];
    }
    return NULL;
}

/* Nothing that could be a path to elsewhere, or rules in place of a name. */
static bool is_plain(const char *name)
{
    for (const char *c = name; *c; c++) {
        if (!isalnum((unsigned char)*c) && !strchr("_/+-", *c))
            return false;
    }
    return isalpha((unsigned char)name[0]) && !strstr(name, "//");
}

static void suggest(const struct zones *zones, const char *name, char *why, size_t why_size)
{
    const char *found[3] = {"Europe/London", "Asia/Seoul", "America/New_York"};
    size_t n = 0;

    for (size_t i = 0; i < zones->n && n < 3; i++) {
        if (strlen(name) >= 3 && (strcasestr(zones->names[i], name) ||
                                  strncasecmp(city_of(zones->names[i]), name, 3) == 0))
            found[n++] = zones->names[i];
    }
    if (n == 0)
        n = 3;
    (void)snprintf(why, why_size,
                   "there is no time zone '%.63s'; give an IANA name such as %s%s%s%s%s", name,
                   found[0], n > 1 ? ", " : "", n > 1 ? found[1] : "", n > 2 ? ", " : "",
                   n > 2 ? found[2] : "");
}

enum antiphon_status zones_find(const struct zones *zones, const char *name, GTimeZone **zone,
                                char canonical[ZONES_MAX_BYTES], char *why, size_t why_size)
{
    const char *known = look_up(zones, name);
    GTimeZone *made = NULL;

    if (strcasecmp(name, "UTC") == 0 || strcasecmp(name, "GMT") == 0 || strcmp(name, "Z") == 0)
        known = "UTC";
    /* Old names (Asia/Calcutta) are in the database, but not in its list. */
    if (!known && strlen(name) < ZONES_MAX_BYTES && is_plain(name) && strchr(name, '/'))
        known = name;
    if (known)
        made = g_time_zone_new_identifier(known);
    if (!made) {
        suggest(zones, name, why, why_size);
        return ANTIPHON_ENOTFOUND;
    }
    (void)snprintf(canonical, ZONES_MAX_BYTES, "%s", known);
    *zone = made;
    return ANTIPHON_OK;
}
