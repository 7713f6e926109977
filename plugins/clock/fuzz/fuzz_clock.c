/* Any text as a time and as the name of a zone: what is read can be computed with. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "moment.h"
#include "zones.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct zones *zones;
    char why[256], name[ZONES_MAX_BYTES];
    struct moment_parts parts;
    GTimeZone *zone = NULL;
    char *text = calloc(1, size + 1);

    if (!zones && zones_new(ZONES_FOLDER, &zones, why, sizeof(why)) != ANTIPHON_OK)
        abort();
    if (!text)
        return 0;
    memcpy(text, data, size);
    if (zones_find(zones, text, &zone, name, why, sizeof(why)) != ANTIPHON_OK)
        (void)zones_find(zones, "Europe/Berlin", &zone, name, why, sizeof(why));
    if (moment_read(text, &parts)) {
        GDateTime *time = moment_resolve(&parts, zone, 1772353800000);
        GDateTime *now = moment_from_ms(1772353800000, zone);
        struct moment_span span;
        if (time && now) {
            moment_between(now, time, &span);
            if (span.months > 11 || span.days > 31 || span.seconds < 0 || span.total_days < 0)
                abort();
        }
        if (time)
            g_date_time_unref(time);
        if (now)
            g_date_time_unref(now);
    }
    g_time_zone_unref(zone);
    free(text);
    return 0;
}
