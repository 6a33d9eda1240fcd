#!/bin/bash
# bench.sh: speed and size, as ratios of medians of several runs in turn.
#
# nmgre is compared with the commands that it replaces, and with itself at an earlier commit.
# Whole commands are measured in the lab; the rest needs no NetworkManager and is measured on this
# machine.
#
# Environment
#   BEFORE   the earlier commit (the last one with everything in one package)
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly before=${BEFORE:-32182f6}
readonly share=build/lab-share/bin bench=build/bench tree=build/before

git rev-parse --quiet --verify "$before^{commit}" >/dev/null || {
	echo "bench.sh: there is no commit $before here: fetch the whole history, or name another by BEFORE" >&2
	exit 1
}

# Both commits are built alike, each from a folder of its own.
rm -rf "$tree" "$bench"
mkdir -p "$tree" "$bench" "$share"
git archive "$before" | tar -x -C "$tree"
build() { # FOLDER PROGRAM FLAG...: with the paths and the commit left out, two builds differ by their source alone
	CGO_ENABLED=0 go build -C "$1" -trimpath -buildvcs=false "${@:3}" -o "$PWD/$bench/$2" ./cmd/nmgre
}
build . nmgre
build "$tree" nmgre.before
# Its size is compared as make builds it: without symbols now, and with them then.
build . nmgre.shipped -ldflags='-s -w'
cp "$bench/nmgre.before" "$share/"
# Stripped, as the program is that is shipped.
CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags='-s -w' -o "$share/onecall" ./testdata/onecall

# The lists were read by the root package once.
CGO_ENABLED=0 go test -c -o "$bench/parse.test" ./routes/list
CGO_ENABLED=0 go test -C "$tree" -c -o "$PWD/$bench/parse.test.before" .

status=0
measure() { "$@" || status=1; } # everything is measured, whatever fails

export NMGRE_BENCH=$PWD/$bench
measure go test -timeout 30m -run '^$' -bench '^Benchmark(Version|Start|BinarySize|ParseOfBefore)$' -benchtime 1x ./cmd/nmgre
measure go test -timeout 30m -run '^$' -bench '^BenchmarkSync(Ratios|Memory)$' -benchtime 5x ./routes/netlink
measure go test -timeout 30m -run '^$' -bench '^BenchmarkHookOfOthers$' ./routes/store
measure go test -timeout 30m -run '^$' -bench '^BenchmarkFullMesh$' -benchtime 3x ./nm/document
measure go test -timeout 30m -run '^$' -bench '^BenchmarkScreen' -benchtime 1x ./tui
# Three hours are enough for every round that a noisy machine may need.
export NMGRE_LAB_TIMEOUT=${NMGRE_LAB_TIMEOUT:-10800}
# Each has a lab of its own, whose kernel and NetworkManager nobody else has used before.
while read -r name; do
	measure testdata/lab/test.sh ./cmd/nmgre -- -test.run '^$' -test.bench "^$name\$" -test.benchtime 1x </dev/null
done < <(grep -hoE '^func BenchmarkLab[A-Za-z]*' cmd/nmgre/*_test.go | sed 's/^func //')
exit "$status"
