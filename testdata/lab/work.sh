#!/bin/bash
# work.sh FOLDER QUEUE LAB: has the lab that NMGRE_LAB_NAME names run tests until the queue is empty.
# labs.sh starts one for each lab, and all of one suite take from the same queue. QUEUE is its folder
# (queue/SUITE, or alone/SUITE). LAB is the name in messages.
#
# FOLDER/QUEUE/NUMBER   a test that nobody has taken: its package and its name ("-": all of them)
# FOLDER/taken/NUMBER   the same, taken
# FOLDER/logs/NUMBER    its output
# FOLDER/results/NUMBER a line for each verdict: suite, lab, package, verdict, test, seconds. The
#                       last line is: suite, lab, package, END, test, seconds, exit status
# FOLDER/args           the arguments for every test, with a NUL after each
# FOLDER/live           exists where this lab is the only one: then all is shown as it comes
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$1
queue=$1/$2
lab=$3
suite=${NMGRE_LAB_SUITE:-bookworm}
limit=$NMGRE_LAB_TIMEOUT
mapfile -d '' -t args <"$folder/args"
readonly here folder queue lab suite limit args

inside() { "$here/lab.sh" exec "$@" </dev/null; }

# take: sets number. Of two who move the same file one succeeds.
take() {
	local file
	for file in "$queue"/*; do
		number=${file##*/}
		mv "$file" "$folder/taken/$number" 2>/dev/null && return
	done
	return 1
}

# run_test PACKAGE TEST: the limit inside is the shorter one, as it prints where the test was.
run_test() {
	local choice=(-test.run "^$2\$")
	[[ $2 != - ]] || choice=()
	inside --timeout $((limit + 60)) --env "LIMIT=$limit" --env "RUN=${folder##*/}" --env "NMGRE_LAB_LINES=${NMGRE_LAB_LINES:-}" -- \
		/share/run-test "$1" "${choice[@]}" "${args[@]}" 2>&1
}

# show LOG: all that comes, or nothing.
show() {
	if [[ -e $folder/live ]]; then tee "$1"; else cat >"$1"; fi
}

# verdicts PACKAGE: of the log on standard input. A benchmark that has a figure has passed.
verdicts() {
	awk -v head="$suite $lab $1" '
		/^--- (PASS|FAIL|SKIP): / { print head, substr($2, 1, 4), $3, substr($4, 2) + 0; next }
		/^ +--- SKIP: / { print head, "SKIP", $3, 0 }
		/^Benchmark[^ \t]*[ \t]+[0-9]+[ \t]/ { print head, "PASS", $1, 0 }'
}

# explain LOG STATUS: adds the state of the hosts to the log of a test without a verdict.
explain() {
	{
		echo "=== it ended without a verdict, with status $2, in $lab"
		if inside --timeout 20 -- true; then
			inside --timeout 60 -- /lab/hosts.sh diagnose linux1
			inside --timeout 60 -- /lab/hosts.sh diagnose linux2
		else
			echo "=== $lab does not answer any more; its last words:"
			"$here/lab.sh" log | tail -n 40
		fi
	} >>"$1" 2>&1
}

# tell RESULTS LOG: a line for each verdict, in one piece.
tell() {
	[[ ! -e $folder/live ]] || return 0
	printf '%s\n' "$(awk '{
		if ($4 != "END") printf "%-10s --- %s: %s (%.2fs) %s\n", $2 ":", $4, $5, $6, $3
		else if ($7) printf "%-10s *** %s %s ended with status %s after %d s\n", $2 ":", $3, $5, $7, $6
	}' "$1")"
}

work() {
	local number package test status began log results
	while take; do
		read -r package test <"$folder/taken/$number"
		log=$folder/logs/$number
		results=$folder/results/$number
		began=$SECONDS
		run_test "$package" "$test" | show "$log"
		status=${PIPESTATUS[0]}
		verdicts "$package" <"$log" >"$results.new"
		((!status)) || grep -q ' FAIL ' "$results.new" || explain "$log" "$status"
		echo "$suite $lab $package END $test $((SECONDS - began)) $status" >>"$results.new"
		mv "$results.new" "$results"
		tell "$results"
		# A lab that is lost, or hangs, is of no use for other tests.
		((status != 124 && status != 125)) || inside --timeout 20 -- true 2>/dev/null || return 1
	done
}

work
