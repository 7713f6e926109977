/* yaml - a YAML 1.2 (or JSON) file as a cJSON tree that remembers where each node stood. [main] or
 * any one thread; owned by whoever parsed it.
 *
 * The core schema decides types: null, true/false, numbers, else text; a quoted scalar is text.
 * Refused, each with its place: what yaml_gate() refuses, duplicate or non-text keys, merge keys
 * (<<), tags other than !!str, aliases to a node that contains them, infinities, integers beyond
 * 2^53 and "\0". The root must be a mapping; an empty file is an empty one. */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H
#include "base/json.h"
#include "config/report.h"
#include "config/yaml_gate.h"

#define YAML_MAX_DEPTH   32
#define YAML_MAX_NODES   10000 /* aliases count as what they stand for */
#define YAML_MAX_KEY     128   /* bytes of a key */
#define YAML_MAX_ANCHORS 64
#define YAML_MAX_PLACES  (4u << 20) /* bytes of the side table of places */

struct yaml;

/* file is for messages and copied. Every fault goes to report; EINVAL (or ENOMEM) if there was one.
 */
enum antiphon_status yaml_parse(const char *file, const char *text, size_t len,
                                struct report *report, struct yaml **yaml) MUST_CHECK;
/* The same for a file on disk; a missing one is a fault too. */
enum antiphon_status yaml_load(const char *file, struct report *report,
                               struct yaml **yaml) MUST_CHECK;
void yaml_free(struct yaml *yaml);

cJSON *yaml_tree(struct yaml *yaml); /* borrowed; may be changed, places stay with the paths */
const char *yaml_file(const struct yaml *yaml);

/* The place of the node with that path ("live.voice", "tools[2].name", "" the root): of its key, or
 * of the item itself. A path that is not in the file has the place of the nearest node around it.
 */
void yaml_place(const struct yaml *yaml, const char *path, int *line, int *column);
/* report_fault() at the place of path. */
void yaml_fault(const struct yaml *yaml, struct report *report, const char *path, const char *fmt,
                ...) PRINTF_LIKE(4, 5);
/* Renames every key below path from camelCase to snake_case, in the tree and in the places;
 * messages go on showing the keys as written. Two keys that become one are a fault. */
enum antiphon_status yaml_snake_keys(struct yaml *yaml, const char *path,
                                     struct report *report) MUST_CHECK;

/* Calls visit for every text value below path, depth first; visit may replace the text through
 * yaml_set_text(). */
typedef void yaml_visit_fn(void *ctx, cJSON *text, const char *path);
void yaml_each_text(cJSON *node, const char *path, yaml_visit_fn *visit, void *ctx);
/* Replaces the text of a string node by a copy. */
enum antiphon_status yaml_set_text(cJSON *node, const char *text) MUST_CHECK;
#endif
