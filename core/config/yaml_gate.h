/* yaml_gate - what a text must fulfil before libfyaml may see it. Pure.
 *
 * libfyaml 0.7.12 never returns for the six bytes "...\n%\xff", and its directives, several
 * documents and odd bytes are of no use in a configuration: they are refused here. The fuzzer uses
 * the same gate. */
#ifndef CONFIG_YAML_GATE_H
#define CONFIG_YAML_GATE_H
#include <stddef.h>

#include "base/err.h"

#define YAML_MAX_BYTES (1024u * 1024)

/* OK: at most YAML_MAX_BYTES, valid UTF-8, no control characters but tab and line breaks, no
 * directives, one document. Else ETOOBIG or EINVAL; *line and *column (from 1, in bytes) say where.
 */
enum antiphon_status yaml_gate(const char *text, size_t len, int *line, int *column,
                               struct err *err) MUST_CHECK;
#endif
