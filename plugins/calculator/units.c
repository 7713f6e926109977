#include "units.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <udunits2.h>

struct units {
    pthread_mutex_t lock;
    ut_system *system; /* owned */
};

/* Whole names that the tables lack or take for something else than people do. */
static const struct alias {
    const char *name, *meaning;
} aliases[] = {
    {"mph", "mile/hour"},
    {"kph", "km/hour"},
    {"kmh", "km/hour"},
    {"kmph", "km/hour"},
    {"fps", "foot/second"},
    {"mps", "m/s"},
    {"c", "degC"},
    {"f", "degF"},
    {"°c", "degC"},
    {"°f", "degF"},
    {"℃", "degC"},
    {"℉", "degF"},
    {"centigrade", "degC"},
    /* As they are defined; the tables round some of them. */
    {"oz", "28.349523125 g"},
    {"ounce", "28.349523125 g"},
    {"ounces", "28.349523125 g"},
    {"gal", "3.785411784 l"},
    {"gallon", "3.785411784 l"},
    {"gallons", "3.785411784 l"},
    {"US gallon", "3.785411784 l"},
    {"US gallons", "3.785411784 l"},
    {"quart", "0.946352946 l"},
    {"quarts", "0.946352946 l"},
    {"pint", "0.473176473 l"},
    {"pints", "0.473176473 l"},
    {"cup", "0.2365882365 l"},
    {"cups", "0.2365882365 l"},
    {"fl oz", "29.5735295625 ml"},
    {"floz", "29.5735295625 ml"},
    {"fluid ounce", "29.5735295625 ml"},
    {"fluid ounces", "29.5735295625 ml"},
    {"tbsp", "14.78676478125 ml"},
    {"tablespoon", "14.78676478125 ml"},
    {"tablespoons", "14.78676478125 ml"},
    {"tsp", "4.92892159375 ml"},
    {"teaspoon", "4.92892159375 ml"},
    {"teaspoons", "4.92892159375 ml"},
    {"imperial gallon", "4.54609 l"},
    {"imperial gallons", "4.54609 l"},
    {"imperial pint", "0.56826125 l"},
    {"imperial pints", "0.56826125 l"},
    {"imperial fluid ounce", "28.4130625 ml"},
    {"imperial fluid ounces", "28.4130625 ml"},
    {"acre", "4046.8564224 m2"},
    {"acres", "4046.8564224 m2"},
    {"hp", "745.69987158227022 W"},
    {"horsepower", "745.69987158227022 W"},
    {"light year", "9460730472580800 m"},
    {"light years", "9460730472580800 m"},
    {"kcal", "4184 J"},
    {"kilocalorie", "4184 J"},
    {"kilocalories", "4184 J"},
    {"cal", "4.184 J"},
    {"calorie", "4.184 J"},
    {"calories", "4.184 J"},
    {"ton", "907.18474 kg"},
    {"tons", "907.18474 kg"},
    {"stone", "14 avoirdupois_pound"},
    {"stones", "14 avoirdupois_pound"},
    {"lbs", "avoirdupois_pound"},
    {"metric ton", "tonne"},
    {"metric tons", "tonne"},
    {"sqft", "ft2"},
    {"sq ft", "ft2"},
    {"sqm", "m2"},
    {"sq m", "m2"},
    {"sq mi", "mi2"},
    {"sq km", "km2"},
    {"mpg", "mile/(3.785411784 l)"},
    {"miles per gallon", "mile/(3.785411784 l)"},
    {"l/100km", "l/(100 km)"},
    {"l/100 km", "l/(100 km)"},
    {"liters per 100 km", "l/(100 km)"},
    {"litres per 100 km", "l/(100 km)"},
    {"wh", "W.h"},
    {"kwh", "kW.h"},
    {"mwh", "MW.h"},
    {"mah", "mA.h"},
    {"ps", "metric_horsepower"},
    {"b", "byte"},
    {"kb", "kilobit"},
    {"Kb", "kilobit"},
    {"Mb", "megabit"},
    {"Gb", "gigabit"},
    {"Tb", "terabit"},
    {"kB", "kilobyte"},
    {"KB", "kilobyte"},
    {"MB", "megabyte"},
    {"GB", "gigabyte"},
    {"TB", "terabyte"},
    {"PB", "petabyte"},
    {"mb", "megabyte"},
    {"gb", "gigabyte"},
    {"tb", "terabyte"},
    {"pb", "petabyte"},
    {"kib", "1024 byte"},
    {"kibibyte", "1024 byte"},
    {"kibibytes", "1024 byte"},
    {"mib", "1048576 byte"},
    {"mebibyte", "1048576 byte"},
    {"mebibytes", "1048576 byte"},
    {"gib", "1073741824 byte"},
    {"gibibyte", "1073741824 byte"},
    {"gibibytes", "1073741824 byte"},
    {"tib", "1099511627776 byte"},
    {"tebibyte", "1099511627776 byte"},
    {"tebibytes", "1099511627776 byte"},
    {"kbps", "kilobit/second"},
    {"mbps", "megabit/second"},
    {"gbps", "gigabit/second"},
    /* Old measures still in use in Korea, as its law defined them in metric terms. */
    {"평", "3.305785123966942 m2"},
    {"pyeong", "3.305785123966942 m2"},
    {"근", "0.6 kg"},
    {"geun", "0.6 kg"},
    {"관", "3.75 kg"},
    {"돈", "3.75 g"},
    {"자", "0.30303030303030304 m"},
    {"되", "1.8039 l"},
    {"말", "18.039 l"},
    {"제곱미터", "m2"},
    {"미터", "m"},
    {"센티미터", "cm"},
    {"킬로미터", "km"},
    {"킬로그램", "kg"},
    {"그램", "g"},
    {"리터", "l"},
    {"섭씨", "degC"},
    {"화씨", "degF"},
};

/* The library takes bits and bytes for plain numbers, both for 1. */
static bool add_data(ut_system *system)
{
    ut_unit *bit = ut_new_base_unit(system);
    ut_unit *byte = bit ? ut_scale(8, bit) : NULL;
    bool done = byte && ut_map_name_to_unit("databit", UT_ASCII, bit) == UT_SUCCESS &&
                ut_map_name_to_unit("databits", UT_ASCII, bit) == UT_SUCCESS &&
                ut_map_name_to_unit("databyte", UT_ASCII, byte) == UT_SUCCESS &&
                ut_map_name_to_unit("databytes", UT_ASCII, byte) == UT_SUCCESS;

    ut_free(byte);
    ut_free(bit);
    return done;
}

enum antiphon_status units_new(struct units **units, char *why, size_t why_size)
{
    struct units *made = calloc(1, sizeof(*made));

    if (!made) {
        (void)snprintf(why, why_size, "out of memory");
        return ANTIPHON_ENOMEM;
    }
    /* It would write to standard error. */
    (void)ut_set_error_message_handler(ut_ignore);
    made->system = ut_read_xml(NULL);
    if (!made->system || !add_data(made->system)) {
        ut_free_system(made->system);
        (void)snprintf(why, why_size,
                       "the tables of UDUNITS-2 (package libudunits2-data) cannot be read");
        free(made);
        return ANTIPHON_EUNAVAILABLE;
    }
    (void)pthread_mutex_init(&made->lock, NULL);
    *units = made;
    return ANTIPHON_OK;
}

void units_free(struct units *units)
{
    if (!units)
        return;
    ut_free_system(units->system);
    (void)pthread_mutex_destroy(&units->lock);
    free(units);
}

/* The word at *at without its leading spaces; its length, 0 at the end. */
static size_t next_word(const char **at)
{
    *at += strspn(*at, " ");
    return strcspn(*at, " ");
}

static bool is_word(const char *word, size_t len, const char *wanted)
{
    return strlen(wanted) == len && strncasecmp(word, wanted, len) == 0;
}

/* "degrees Celsius" is Celsius; "degrees" alone and "degrees per second" are angles. */
static bool is_ornament(const char *word, size_t len, const char *behind)
{
    return (is_word(word, len, "degree") || is_word(word, len, "degrees")) &&
           next_word(&behind) > 0 && strncasecmp(behind, "per ", 4) != 0;
}

/* "square X" becomes "X2", "cubic X" "X3"; "degrees X" loses the degrees, "per" is a slash, and
 * other words that follow each other are one name: "metric ton" is metric_ton. */
static bool in_symbols(const char *name, char *to, size_t size)
{
    const char *at = name, *power = "", *joint = "";
    size_t used = 0, len;

    for (; (len = next_word(&at)) > 0; at += len) {
        int n;
        if (is_word(at, len, "square") || is_word(at, len, "cubic")) {
            power = is_word(at, len, "square") ? "2" : "3";
            continue;
        }
        if (is_ornament(at, len, at + len))
            continue;
        if (is_word(at, len, "per")) {
            n = snprintf(to + used, size - used, "/");
            joint = "";
        } else {
            n = snprintf(to + used, size - used, "%s%.*s%s", joint, (int)len, at, power);
            joint = "_";
            power = "";
        }
        if (n < 0 || (size_t)n >= size - used)
            return false;
        used += (size_t)n;
    }
    return used > 0 && !*power;
}

static bool is_named(const char *alias, const char *name, bool any_case)
{
    for (; *alias && *name; alias++, name++) {
        char left = *alias == ' ' ? '_' : *alias, right = *name == ' ' ? '_' : *name;
        if (left != right && !(any_case && strncasecmp(&left, &right, 1) == 0))
            return false;
    }
    return *alias == *name;
}

/* What stands in the table for name, or name. Letters of bits and bytes differ by their case alone,
 * so that is tried first. */
static const char *meaning_of(const char *name)
{
    for (int any_case = 0; any_case < 2; any_case++) {
        for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
            if (is_named(aliases[i].name, name, any_case))
                return aliases[i].meaning;
        }
    }
    return name;
}

/* With our own bits and bytes in place of the library's. */
static ut_unit *look_up(struct units *units, const char *text)
{
    char ours[8 * UNITS_MAX_BYTES];
    size_t used = 0;

    for (const char *c = text; *c; c++) {
        bool data = strncasecmp(c, "bit", 3) == 0 || strncasecmp(c, "byte", 4) == 0;
        int n = snprintf(ours + used, sizeof(ours) - used, "%s%c", data ? "data" : "", *c);
        if (n < 0 || (size_t)n >= sizeof(ours) - used)
            return NULL;
        used += (size_t)n;
    }
    return used > 0 ? ut_parse(units->system, ours, UT_UTF8) : NULL;
}

/* A name, or a quotient of two. Single letters keep their meaning in quotients: J/C is no
 * temperature. */
static ut_unit *parse(struct units *units, const char *text)
{
    char left[2 * UNITS_MAX_BYTES + 1], both[4 * UNITS_MAX_BYTES];
    const char *slash = strchr(text, '/'), *meaning = meaning_of(text);
    ut_unit *unit = NULL;

    if (meaning != text || !slash || strchr(slash + 1, '/') || slash == text || !slash[1])
        return look_up(units, meaning);
    (void)snprintf(left, sizeof(left), "%.*s", (int)(slash - text), text);
    int n = snprintf(both, sizeof(both), "(%s)/(%s)", left[1] ? meaning_of(left) : left,
                     slash[2] ? meaning_of(slash + 1) : slash + 1);
    if (n > 0 && (size_t)n < sizeof(both))
        unit = look_up(units, both);
    return unit ? unit : look_up(units, text);
}

/* Words come before what the library makes of them: to it "degrees Celsius" is a product. */
static ut_unit *find(struct units *units, const char *name)
{
    char text[2 * UNITS_MAX_BYTES];
    ut_unit *unit = NULL;

    if (strlen(name) > UNITS_MAX_BYTES)
        return NULL;
    if (meaning_of(name) != name || !in_symbols(name, text, sizeof(text)))
        return parse(units, name);
    unit = parse(units, text);
    for (char *c = text; !unit && *c; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c | 0x20);
    }
    if (!unit)
        unit = parse(units, text);
    return unit ? unit : parse(units, name);
}

static bool names_hertz(const char *name)
{
    return strcasestr(name, "hz") || strcasestr(name, "hertz");
}

static bool names_turns(const char *name)
{
    return strcasecmp(name, "rpm") == 0 || strcasecmp(name, "revolutions per minute") == 0;
}

/* To the library a turn is 2 pi, which makes sense for angles only, not when turns are counted. */
static ut_unit *find_beside(struct units *units, const char *name, const char *other)
{
    return find(units, names_turns(name) && names_hertz(other) ? "1/minute" : name);
}

/* Litres per 100 km and miles per gallon say the same the other way round. */
static bool convert(ut_unit *source, ut_unit *target, double value, double *result)
{
    cv_converter *converter = ut_get_converter(source, target);
    ut_unit *inverse = NULL;

    if (converter) {
        *result = cv_convert_double(converter, value);
    } else if ((inverse = ut_invert(target)) && (converter = ut_get_converter(source, inverse))) {
        *result = 1 / cv_convert_double(converter, value);
    }
    bool done = converter != NULL;
    cv_free(converter);
    ut_free(inverse);
    return done;
}

enum antiphon_status units_convert(struct units *units, double value, const char *from,
                                   const char *to, double *result, char *why, size_t why_size)
{
    ut_unit *source, *target = NULL;
    double converted = 0;
    enum antiphon_status status = ANTIPHON_EINVAL;

    (void)pthread_mutex_lock(&units->lock);
    source = find_beside(units, from, to);
    if (source)
        target = find_beside(units, to, from);
    if (!source || !target)
        (void)snprintf(
            why, why_size,
            "the unit '%.100s' is not known; write it in English or as a symbol, such as "
            "km/h, square feet, fahrenheit, kWh",
            source ? to : from);
    else if (!convert(source, target, value, &converted))
        (void)snprintf(why, why_size, "'%.100s' and '%.100s' measure different things", from, to);
    else if (!isfinite(converted))
        (void)snprintf(why, why_size, "this has no finite result");
    else
        status = ANTIPHON_OK;
    if (status == ANTIPHON_OK)
        *result = converted;
    ut_free(target);
    ut_free(source);
    (void)pthread_mutex_unlock(&units->lock);
    return status;
}
