#!/bin/sh
# That check_tree.sh sees what is wrong in fixtures/bad_tree, says exactly that, and exits 1.
here=$(dirname "$0")
found=$("$here/check_tree.sh" "$here/fixtures/bad_tree")
status=$?
[ "$status" -eq 1 ] && [ "$found" = "$(cat "$here/fixtures/bad_tree/expected.txt")" ] && exit 0
printf 'exit status %s, found:\n%s\n' "$status" "$found"
exit 1
