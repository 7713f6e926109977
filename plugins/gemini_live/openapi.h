/* openapi - JSON Schema of a tool's arguments as the OpenAPI subset that function declarations
 * take: upper-case types, `nullable` in place of the type null, no references. Pure.
 *
 * Rewritten: type arrays and anyOf/oneOf with null (nullable), const (enum of one), $ref into the
 * same schema (put in place), allOf (merged), a missing type (guessed from the other keywords).
 * Left out: what the service has no word for, such as default and additionalProperties. Source: the
 * Schema message of the Gemini API. */
#ifndef GEMINI_OPENAPI_H
#define GEMINI_OPENAPI_H
#include <cjson/cJSON.h>
#include <stdbool.h>

#define OPENAPI_MAX_DEPTH 24 /* deeper levels, and references that never end, are left out */

/* True if a function with these parameters takes any argument. */
bool openapi_has_properties(const cJSON *schema);
/* A new tree, or NULL: out of memory, or nothing of the schema could be said. */
cJSON *openapi_from(const cJSON *schema);
#endif
