#!/bin/bash
# labs.sh build FOLDER SUITE...       builds the suites' labs, one after the other
# labs.sh work FOLDER QUEUE NUMBER    runs labs, one after the other, until the queue is empty
#
# test.sh starts one "build" and, for each lab that may be up at a time, one "work". A lab is of one
# suite. When all tests of its suite are taken, it ends, and a lab of another suite follows it.
#
# FOLDER/QUEUE/SUITE/    that suite's tests (see work.sh)
# FOLDER/ready/SUITE     exists when the suite's lab can be started
# FOLDER/broken/SUITE    exists when it cannot be built
# FOLDER/at/NUMBER       the suite for which a "work" runs a lab just now
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
what=$1
folder=$2
shift 2
readonly here what folder
child=

# What ends this script ends its lab.
trap 'trap "" TERM; [[ -z $child ]] || kill "$child" 2>/dev/null; wait; exit 143' TERM

# with_lab SUITE COMMAND...: runs COMMAND while a lab of SUITE is up.
with_lab() {
	local status=0
	NMGRE_LAB_SUITE=$1 setpriv --pdeathsig TERM "$here/lab.sh" during -- "${@:2}" </dev/null &
	child=$!
	wait "$child" || status=$?
	child=
	return "$status"
}

# build SUITE...: the first start of a suite's lab is saved, too.
build() {
	local suite
	for suite; do
		if with_lab "$suite" true; then : >"$folder/ready/$suite"; else : >"$folder/broken/$suite"; fi
	done
}

has_tests() { [[ $(find "$folder/$queue/$1" -type f -print -quit) ]]; }

workers_of() { grep -lsx "$1" "$folder"/at/* | wc -l; }

# choose: sets suite to the one, of those with tests that nobody has taken, that has the fewest labs;
# the first one where several have. Sets it to nothing while all these are still to be built. Fails
# when there is no such suite. This "work" runs at most two labs of a suite: should tests make labs
# break, that has an end.
choose() {
	local s n best=1000 left=1
	suite=
	for s in "${suites[@]}"; do
		[[ ! -e $folder/broken/$s ]] || continue
		((${started[$s]-0} < 2)) || continue
		has_tests "$s" || continue
		left=0
		[[ -e $folder/ready/$s ]] || continue
		n=$(workers_of "$s")
		((n >= best)) || { best=$n && suite=$s; }
	done
	return "$left"
}

work() {
	local suite suites
	local -A started=()
	queue=$1
	mapfile -t suites <"$folder/suites"
	while choose; do
		[[ $suite ]] || { sleep 1 && continue; }
		echo "$suite" >"$folder/at/$2"
		started[$suite]=$((${started[$suite]-0} + 1))
		with_lab "$suite" "$here/work.sh" "$folder" "$queue/$suite" "$suite$2"
		rm -f "$folder/at/$2"
	done
}

"$what" "$@"
