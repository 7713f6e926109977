#!/bin/sh
# check_tidy.sh [--deep] ROOT BUILD - no function is longer, more deeply nested or more complex than .clang-tidy allows; no
# exceptions. --deep: clang-tidy's own search for bugs and clang's analyzer too, which takes minutes. BUILD has
# compile_commands.json. Exits 77 (skipped) where there is no clang-tidy.
set -u
deep=
[ "${1:-}" != --deep ] || { deep=1; shift; }
root=$1 build=$2
for tidy in clang-tidy clang-tidy-14 ""; do
    command -v "$tidy" >/dev/null 2>&1 && break
done
[ -n "$tidy" ] || { echo "there is no clang-tidy"; exit 77; }
[ -f "$build/compile_commands.json" ] || { echo "no compile_commands.json in $build"; exit 2; }
cd "$root" || exit 2

checks=
if [ -n "$deep" ]; then
    # Left out: what is a matter of taste (swappable parameters, string comparisons as truth, padding), what the compilers'
    # own warnings cover (narrowing), and what is wrong with C (annex K) or with this release (va_list, pointers to pointers, counted owners, cJSON's own null checks).
    checks="--checks=bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-suspicious-string-compare,\
-bugprone-narrowing-conversions,-bugprone-implicit-widening-of-multiplication-result,-bugprone-not-null-terminated-result,\
-bugprone-reserved-identifier,-bugprone-sizeof-expression,-bugprone-unused-return-value,-bugprone-branch-clone,\
clang-analyzer-*,-clang-analyzer-valist.Uninitialized,-clang-analyzer-optin.performance.Padding,\
-clang-analyzer-unix.Malloc,-clang-analyzer-core.NullDereference,\
-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling"
fi
files=$(find core plugins tools -name '*.c' -not -path '*/tests/*' -not -path '*/fuzz/*' 2>/dev/null | sort)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
if printf '%s\n' $files | xargs -P 2 -n 8 "$tidy" -p "$build" --quiet $checks >"$log" 2>&1; then
    exit 0
fi
grep -E '(error|warning):|starts here|^error' "$log" | grep -v 'warnings treated as errors' | sort -u
exit 1
