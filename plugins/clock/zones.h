/* zones - time zones by the name that somebody says: an IANA name ("Europe/Berlin"), the city in it
 * ("berlin", "New York"), or "UTC". The system's database (package tzdata) is read, so its updates
 * are ours after a restart; process-wide settings such as TZ play no part. Immutable once loaded;
 * any thread. */
#ifndef CLOCK_ZONES_H
#define CLOCK_ZONES_H
#include <glib.h>

#include "antiphon/plugin.h"

#define ZONES_FOLDER    "/usr/share/zoneinfo"
#define ZONES_MAX_BYTES 64 /* of a name */

struct zones;

/* folder: where zone.tab is. EUNAVAILABLE: it cannot be read. */
enum antiphon_status zones_new(const char *folder, struct zones **zones, char *why,
                               size_t why_size);
void zones_free(struct zones *zones);

/* The zone and its IANA name, which is good as long as zones is; or ENOTFOUND, and why names what
 * is near. Caller: g_time_zone_unref(). */
enum antiphon_status zones_find(const struct zones *zones, const char *name, GTimeZone **zone,
                                char canonical[ZONES_MAX_BYTES], char *why, size_t why_size);
#endif
