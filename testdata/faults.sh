#!/bin/bash
# faults.sh: every test of faults.txt, the ones of the lab too. It fails when one fails or is
# skipped. A name is a regular expression for "go test", and a test of the lab is a line for test.sh.
# At the end stand the tables of verify's reports on each fault.
set -eu

cd "$(dirname "${BASH_SOURCE[0]}")/.."
table=testdata/faults.txt
mkdir -p build

# rows WHERE: the package and the test of each row that runs there.
rows() {
	awk -F ' [|] ' -v where="$1" '!/^#/ && NF == 4 {
		split($4, proof, " ")
		sub("/.*", "", proof[3])
		if (proof[1] == where) print proof[2], proof[3]
	}' "$table" | LC_ALL=C sort -u
}

# tables: those that the tests of the lab have logged, one after the other.
tables() {
	awk '/: what verify told:$/ { told = 1; print ""; next }
		told && /^        / { print substr($0, 9); next }
		{ told = 0 }' build/lab-logs/logs/*
}

status=0
while read -r package tests; do
	go test -count 1 -v -run "^($tests)\$" "$package" >build/faults.log 2>&1 || status=1
	grep -qE '^--- PASS' build/faults.log || status=1
	if grep -E '^ *--- (FAIL|SKIP)|^FAIL|^panic' build/faults.log; then
		status=1
		cat build/faults.log
	fi
	echo "faults: $package: $(grep -cE '^--- PASS' build/faults.log) tests passed"
done < <(rows unit | awk '{ tests[$1] = tests[$1] (($1 in tests) && tests[$1] ? "|" : "") $2 } END { for (p in tests) print p, tests[p] }' | LC_ALL=C sort)

{ rows lab; rows faults; } | LC_ALL=C sort -u >build/faults
NMGRE_LAB_TESTS=$PWD/build/faults testdata/lab/test.sh || status=1
tables
exit "$status"
