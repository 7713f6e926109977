#!/bin/bash
# Audio goes through the whole server in both directions, and no frame of it makes the server's own code allocate.
# audio_allocs_test.sh BUILD-FOLDER. Some thousand frames each way: both protocols, base64 and samples, whole frames and
# tiny ones that are joined, clear and TLS to the model.
set -eu
build=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
field() { sed -n "s/.*\"$1\":\\([0-9.]*\\)[,}].*/\\1/p" "$work/line"; }

check() { # name options...
    local name=$1 frames
    shift
    rm -f "$work"/a.db*
    if ! "$build/load" --allocs "$build/load-allocs.so" --warmup 0.7 --seconds 1.5 --leave 0.1 --sessions 20 --connects 1000 \
        --json - --server "env GOOGLE_GEMINI_BASE_URL={upstream} GOOGLE_API_KEY=test ANTIPHON_SHARDS=1 \
            ANTIPHON_LOG_LEVEL=error ANTIPHON_STORE=sqlite:///$work/a.db $build/antiphon serve --port {port}" \
        "$@" >"$work/line" 2>"$work/log"; then
        echo "$name: could not be measured"
        cat "$work/log"
        failed=1
        return
    fi
    frames=$(($(field up_received) + $(field down_received)))
    echo "$name: $frames frames; allocations: own $(field allocations), libwebsockets $(field allocations_lws)," \
        "OpenSSL $(field allocations_tls), libuv $(field allocations_uv)"
    if [ "$frames" -lt 500 ] || [ "$(field lost)" != 0 ] || [ "$(field damaged)" != 0 ] || [ "$(field allocations)" != 0 ] ||
        [ "$(field allocations_lws)" != 0 ] || [ "$(field allocations_uv)" != 0 ]; then
        echo "$name: failed: $(field lost) lost, $(field damaged) damaged"
        cat "$work/log"
        failed=1
    fi
}

check "sample" --protocol sample
check "antiphon.v1, base64" --protocol v1
check "antiphon.v1, binary" --protocol v1-binary
check "sample, 256-byte frames" --protocol sample --up-bytes 256
check "antiphon.v1, binary, 256-byte frames" --protocol v1-binary --up-bytes 256
check "sample, TLS" --protocol sample --tls
check "antiphon.v1, binary, TLS" --protocol v1-binary --tls
# The counter counts: a typed turn is nothing without memory.
rm -f "$work"/a.db*
"$build/load" --allocs "$build/load-allocs.so" --warmup 0.3 --seconds 0.5 --leave 0.1 --turns 5 --turn-rate 0 --json - \
    --server "env GOOGLE_GEMINI_BASE_URL={upstream} GOOGLE_API_KEY=test ANTIPHON_SHARDS=1 ANTIPHON_LOG_LEVEL=error \
        ANTIPHON_STORE=sqlite:///$work/a.db $build/antiphon serve --port {port}" >"$work/line" 2>"$work/log"
if [ "$(field turns_done)" -gt 0 ] && [ "$(field allocations)" -gt 0 ]; then
    echo "typed turns: $(field turns_done); allocations: own $(field allocations)"
else
    echo "typed turns: nothing was counted"
    cat "$work/log"
    failed=1
fi
exit $failed
