/* sandbox_impl - the two halves of sandbox_enter() that have files of their own. */
#ifndef PLUGIN_SANDBOX_IMPL_H
#define PLUGIN_SANDBOX_IMPL_H
#include "plugin/sandbox.h"

enum antiphon_status sandbox_files(const struct sandbox *sandbox, struct err *err) MUST_CHECK;
enum antiphon_status sandbox_calls(const struct sandbox *sandbox, struct err *err) MUST_CHECK;
#endif
