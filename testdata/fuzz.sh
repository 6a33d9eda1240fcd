#!/bin/bash
# Runs every fuzz test of the module: fuzz.sh TIME JOBS. It finds them by itself. A test that fails leaves
# its input in the testdata/fuzz folder of its package; put it there for good together with the mend.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-60s} jobs=${2:-2}

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# one PACKAGE TEST: the last lines of its output, and whether it passed
one() {
	local log=$logs/${1//\//_}.$2
	if go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -parallel 1 "./$1" > "$log" 2>&1; then
		echo "ok    $1 $2: $(sed -n 's/.*execs: \([0-9]*\).*interesting: \([0-9]*\).*/\1 inputs, \2 interesting/p' "$log" | tail -1)"
	else
		echo "FAIL  $1 $2"
		tail -40 "$log"
		touch "$logs/failed"
	fi
}
export -f one
export logs time

tests=$(grep -rn --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' . | sed 's,^\./,,; s,/[^/]*_test\.go:[0-9]*:func , ,; s,^[^/ ]*_test\.go:[0-9]*:func ,. ,' | sort)
xargs -P "$jobs" -L 1 bash -c 'one "$0" "$1"' <<< "$tests"
echo "$(wc -l <<< "$tests") fuzz tests, $time each"
[ ! -e "$logs/failed" ]
