/* units - converts between units of the same kind, by UDUNITS-2 and its tables below
 * /usr/share/xml/udunits, which are read once by units_new(). Units are written as there ("km/h",
 * "W.h", "ft2", "degF"), and in everyday words beside: "square meters", "miles per hour",
 * "degrees Celsius", "mph", "MB", "GiB", "평".
 *
 * A name with a fault in its syntax costs the library's parser the word it stopped at (UDUNITS-2.2.28
 * does not free it): at most UNITS_MAX_BYTES of memory for each such call.
 *
 * Any thread: the library is not made for several, so calls wait for each other (microseconds). */
#ifndef CALCULATOR_UNITS_H
#define CALCULATOR_UNITS_H
#include <stddef.h>

#include "antiphon/plugin.h"

#define UNITS_MAX_BYTES 100 /* of a unit's name */

struct units;

/* EUNAVAILABLE: the tables cannot be read. */
enum antiphon_status units_new(struct units **units, char *why, size_t why_size);
void units_free(struct units *units);

/* EINVAL: why says which unit is not known, or that they measure different things. */
enum antiphon_status units_convert(struct units *units, double value, const char *from,
                                   const char *to, double *result, char *why, size_t why_size);
#endif
