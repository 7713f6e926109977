#!/bin/sh
# check_tree.sh ROOT - the rules of the source tree that a compiler does not see:
#   - include directions: base < plugin < net < {config auth store} < session < frontend < api <
#     command; a folder includes itself and folders to its left, those in braces never each other;
#     main.c includes command only; plugins see nothing but antiphon/plugin.h and their own files;
#   - none of the banned functions (core/base/banned.h), so that no file need remember to include it;
#   - no file of more than 600 lines.
# Prints file:line: what is wrong, and exits 1.
set -u
cd "$1" || exit 2
files=$(find core plugins tools tests/fixtures/plugins \( -name '*.c' -o -name '*.h' \) 2>/dev/null | sort)
[ -n "$files" ] || { echo "no sources under $1"; exit 2; }
# shellcheck disable=SC2086
awk '
BEGIN {
    split("base:0 plugin:1 net:2 config:3 auth:3 store:3 session:4 frontend:5 api:6 command:7", pairs, " ")
    for (i in pairs) { split(pairs[i], pair, ":"); rank[pair[1]] = pair[2] }
    banned = "(strcpy|strcat|sprintf|vsprintf|strtok|gets|atoi|gmtime|localtime|system|popen|alloca)"
}
function report(text) { print FILENAME ":" FNR ": " text; failed = 1 }
FNR == 1 { depth = split(FILENAME, part, "/"); comment = 0 }
FNR == 601 { report("more than 600 lines") }
/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, quoted, "\""); slashes = split(quoted[2], to, "/")
    from = part[2]
    if (part[1] != "core" || from == "include") {
        if (slashes > 1 && quoted[2] != "antiphon/plugin.h" && to[1] in rank && part[1] != "tools")
            report(part[1] " must not include " quoted[2])
    } else if (depth == 2) {
        if (to[1] != "command") report("main.c must not include " quoted[2])
    } else if (slashes == 1) {
        report("write the folder: \"" from "/" quoted[2] "\"")
    } else if (quoted[2] == "antiphon/plugin.h") {
    } else if (!(to[1] in rank) || !(from in rank)) {
        report("unknown folder in " quoted[2])
    } else if (to[1] != from && rank[to[1]] >= rank[from]) {
        report(from " must not include " to[1])
    }
}
# Code without comments and strings; a comment over several lines starts one at least.
{
    code = $0
    gsub(/\\"/, "", code); gsub(/"[^"]*"/, "\"\"", code); gsub(/\/\*[^*]*\*\//, "", code)
    if (comment) { if (!sub(/^.*\*\//, "", code)) next; comment = 0 }
    if (sub(/\/\*.*$/, "", code)) comment = 1
    sub(/\/\/.*$/, "", code)
    if (match(code, "(^|[^A-Za-z0-9_.>])" banned "[ \t]*\\(")) {
        name = substr(code, RSTART, RLENGTH); gsub(/[^a-z]/, "", name)
        report(name "() is banned")
    }
}
END { exit failed }
' $files
