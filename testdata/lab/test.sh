#!/bin/bash
# test.sh [--also SUITE|--all SUITE]... [PKG...] [-- ARG...]: the tests that need the lab.
#
# Builds the product and the tests of every package that has a file named lab_test.go (or of the
# PKGs given, as ./nm), and runs all tests named TestLab... in several labs side by side. A lab that
# is idle takes the next test from a queue. Tests that took long the last time come first.
#
# --also SUITE   run on SUITE, too, the tests that have the line "//lab:every" or "//lab:SUITE" in the
#                comment above them. Another suite has another NetworkManager (see lab.sh).
# --all SUITE    run all tests on SUITE, too
#
# ARGs go to every test binary (-test.run ... replaces the default choice of tests). Then one lab
# runs the whole of a package, on one suite.
#
# A lab that "lab.sh serve" keeps running (NMGRE_LAB_NAME) is used as it is, and no other. Else labs
# are started and ended. Where there is only one, all that the tests say is shown as it comes. Where
# there are more, a line is shown for each test, and at the end all that the failed ones said.
# Everything is kept in build/lab-logs until the next run.
#
# A test with the line "//lab:package NAME" in the comment above it finds Debian's package NAME, of
# the suite that it runs on, unpacked below /share/packages/SUITE/NAME.
#
# A test with the line "//lab:sweep" in the comment above it runs in "make test-all" only, with the
# core of it in another test.
#
# A test with the line "//lab:alone" in the comment above it measures time. It runs when all others
# have ended, beside none but those of its kind: each lab has a processor of its own then.
#
# It fails when a test fails or is skipped, when a package runs no test, and when a test that the
# package has did not run exactly once on every suite that is to run it.
#
# Environment
#   NMGRE_LABS         how many labs at a time (see "how_many")
#   NMGRE_LAB_SUITE    the suite on which all tests run (bookworm)
#   NMGRE_LAB_TIMEOUT  seconds for one test (900), or for a package with ARGs (4200)
#   NMGRE_LAB_TESTS    a file that names the tests to run, a line each: ./nm/dbus TestLabModes
#   NMGRE_LAB_LINES    1: take the time of a sweep: run every line for the far end that nmgre prints on
#                      the far host, too, and set a hundred thousand routes
#   NMGRE_LAB_COVER    1: build with coverage; the data comes to build/lab-out/cover
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
name=${NMGRE_LAB_NAME:-default}
suite=${NMGRE_LAB_SUITE:-bookworm}
named=${NMGRE_LAB_TESTS:-}
share=$repo/build/lab-share
tests=$share/tests
times=$repo/build/lab-times
logs=$repo/build/lab-logs
folder=
suites=("$suite")
chosen=()
args=()
declare -A mark=() # is set for a suite that runs the tests with its marks only
readonly here repo name suite named share tests times logs

fail() {
	echo "test.sh: $*" >&2
	exit 1
}

# packages: folders with a lab_test.go; the lab's own tests only when asked for.
packages() {
	(cd "$repo" && find . -path ./build -prune -o -path ./testdata -prune -o -path '*/.*' -prune -o \
		-name lab_test.go -printf '%h\n' | LC_ALL=C sort)
}

# --- building -------------------------------------------------------------

build_product() {
	local cover=()
	[[ ${NMGRE_LAB_COVER:-} != 1 ]] || cover=(-cover -coverpkg=./...)
	[[ -d $repo/cmd/nmgre ]] || return 0
	mkdir -p "$share/bin"
	go_build build -trimpath "${cover[@]}" -o "$share/bin/nmgre.new" ./cmd/nmgre || fail "the product does not build"
	# A new file under the same name: a program that runs keeps the old one.
	mv "$share/bin/nmgre.new" "$share/bin/nmgre"
}

go_build() { (cd "$repo" && CGO_ENABLED=0 go "$@"); }

# build_tests PKG: PKG's tests and the files beside them, in a folder of the same name.
build_tests() {
	local to=$tests/$1
	rm -rf "$to"
	mkdir -p "$to"
	go_build test -c -o "$to/lab.test" "$1" || fail "the tests of $1 do not build"
	[[ -x $to/lab.test ]] || fail "$1 has no tests"
	# A test types the lines of README and the manual.
	cp "$repo/README.md" "$tests/"
	[[ ! -d $repo/$1/manual ]] || (mkdir "$to/manual" && cp "$repo/$1"/manual/*.md "$to/manual/") || fail "no manual of $1"
	# The root package's testdata holds the lab itself, and that may be large.
	[[ -d $repo/$1/testdata ]] || return 0
	(cd "$repo/$1" && tar -c --exclude=testdata/lab testdata) | tar -x -C "$to"
}

# write_runner: the script that runs inside. It copies programs to memory first, as a program of
# /share is fetched anew at every start.
write_runner() {
	cat >"$share/run-test.new" <<-'END'
		#!/bin/bash
		# run-test PACKAGE [ARG...]; RUN is new in each run of test.sh, LIMIT is in seconds.
		package=$1
		shift
		[[ " $* " == *" -test.run"* ]] || set -- -test.run '^TestLab' "$@"
		mkdir -p /tmp/bin /out/cover
		if [[ ! -e /tmp/tests/$RUN ]]; then
			rm -rf /tmp/tests
			mkdir -p /tmp/tests
			[[ ! -d /share/bin ]] || cp --remove-destination /share/bin/* /tmp/bin/
			: >"/tmp/tests/$RUN"
		fi
		program=/tmp/tests/$package/lab.test
		if [[ ! -e $program ]]; then
			mkdir -p "${program%/*}"
			cp "/share/tests/$package/lab.test" "$program"
		fi
		# Each start at another place in memory, as everywhere else: without that (see lab.sh)
		# programs that are linked as they start would be measured too fast.
		[[ " $* " != *" -test.bench"* ]] || echo 2 >/proc/sys/kernel/randomize_va_space
		export PATH=/tmp/bin:$PATH
		export GOCOVERDIR=/out/cover
		# Tests that may run side by side wait for answers and for the kernel, so four do on one processor.
		cd "/share/tests/$package" && exec "$program" -test.v -test.parallel 4 -test.timeout "${LIMIT}s" "$@"
	END
	chmod 755 "$share/run-test.new"
	mv "$share/run-test.new" "$share/run-test" # a shell that reads the old one goes on with it
}

# --- the queue ------------------------------------------------------------

# tests_of PKG: their names.
tests_of() { (cd "$tests/$1" && ./lab.test -test.list '^TestLab' | grep '^TestLab'); }

# marked PKG MARK: the names of those with the line //lab:MARK in the comment above them.
marked() {
	awk -v mark="//lab:$2" 'FNR == 1 { found = 0 }
		$0 == mark { found = 1 }
		/^func / { sub(/\(.*/, "", $2); if (found) print $2; found = 0 }' "$repo/$1"/*_test.go
}

# left_out PKG: the tests that take long, and have targets of their own in the Makefile.
left_out() {
	local m
	for m in faults recipes packages; do marked "$1" "$m"; done
	[[ ${NMGRE_LAB_LINES:-} == 1 ]] || marked "$1" sweep
}

# asked_for PKG TEST: NMGRE_LAB_TESTS names it, or all are to run that do not take long.
asked_for() {
	if [[ $named ]]; then grep -qxF "$1 $2" "$named"; else ! left_out "$1" | grep -qx "$2"; fi
}

# plan: the tests to run. Each line: queue, suite, package, test, seconds. A test that nobody knows
# may be long, so it begins early; those of packages with much to test come first. The seconds in
# another suite are a good guess.
plan() {
	local p s size
	for p in "${chosen[@]}"; do
		if ((${#args[@]})); then
			echo "queue $suite $p - 1"
			continue
		fi
		size=$(cat "$repo/$p"/*lab*_test.go 2>/dev/null | wc -c)
		for s in "${suites[@]}"; do plan_suite "$s" "$p"; done | awk -v size="$size" -v times="$times" '
			BEGIN {
				while ((getline line <times) > 0) {
					split(line, w, " ")
					known[w[1], w[2], w[3]] = known[w[2], w[3]] = w[4]
				}
			}
			{
				guess = ($3, $4) in known ? known[$3, $4] : 10000 + size
				print $0, ($2, $3, $4) in known ? known[$2, $3, $4] : guess
			}'
	done | LC_ALL=C sort -s -k5,5nr
}

# plan_suite SUITE PKG: the package's tests that the suite is to run, without seconds.
plan_suite() {
	local t alone chosen
	alone=" $(marked "$2" alone | tr '\n' ' ') "
	chosen=" $([[ ! ${mark[$1]-} ]] || { marked "$2" every; marked "$2" "$1"; } | tr '\n' ' ') "
	while read -r t; do
		[[ ! ${mark[$1]-} || $chosen == *" $t "* ]] || continue
		asked_for "$2" "$t" || continue
		if [[ $alone == *" $t "* ]]; then echo "alone $1 $2 $t"; else echo "queue $1 $2 $t"; fi
	done < <(tests_of "$2")
}

fill_queue() {
	local number=10000 queue s p t
	for s in "${suites[@]}"; do mkdir -p "$folder"/{queue,alone}/"$s"; done
	plan >"$folder/plan"
	while read -r queue s p t _; do
		echo "$p $t" >"$folder/$queue/$s/$number"
		((number++))
	done <"$folder/plan"
	printf '%s\0' "${args[@]}" >"$folder/args"
	((${#args[@]})) || : >"$folder/args"
	printf '%s\n' "${suites[@]}" >"$folder/suites"
}

# packages_of PKG TEST: the Debian packages that a test needs.
packages_of() {
	awk -v test="$2" 'FNR == 1 { wanted = "" }
		$1 == "//lab:package" { wanted = wanted " " $2 }
		/^func / { sub(/\(.*/, "", $2); if ($2 == test) print wanted; wanted = "" }' "$repo/$1"/*_test.go
}

# fetch_packages: for all tests that are planned, each package of each suite once.
fetch_packages() {
	local s p t n
	while read -r _ s p t _; do
		for n in $(packages_of "$p" "$t"); do echo "$s $n"; done
	done <"$folder/plan" | LC_ALL=C sort -u >"$folder/packages"
	while read -r s n; do
		NMGRE_LAB_SUITE=$s "$here/lab.sh" package "$n" --share "$share" </dev/null || fail "no package $n of $s"
	done <"$folder/packages"
}

# --- labs -----------------------------------------------------------------

# how_many QUEUE: labs that are of use at once. A test computes for most of its time, so more labs
# than processors gain little, and make the limits of time in the tests tight.
how_many() {
	local memory n=${NMGRE_LABS:-} count
	count=$(find "$folder/$1" -type f | wc -l)
	if [[ ! $n ]]; then
		n=$(nproc)
		memory=$(awk '/^MemAvailable/ { print int($2 / 2500000) }' /proc/meminfo)
		((n <= memory)) || n=$memory
		((n >= 1)) || n=1
	fi
	echo $((n < count ? n : count))
}

workers=()
builder=

# start_worker QUEUE NUMBER: one lab after the other, and who works for it. All of them end with this
# script, even if it is killed.
start_worker() {
	setpriv --pdeathsig TERM "$here/labs.sh" work "$folder" "$1" "$2" </dev/null &
	workers+=($!)
}

wait_workers() {
	local p
	for p in "${workers[@]}"; do wait "$p"; done
	workers=()
}

# end_all: whatever ends this script. A worker that is told to end ends its lab before it does.
# shellcheck disable=SC2317 # the trap calls it
end_all() {
	local p
	trap '' INT TERM HUP
	for p in "${workers[@]}" $builder; do kill "$p" 2>/dev/null; done
	wait
	[[ -z $folder ]] || { rm -rf "$logs" && mv "$folder" "$logs"; }
}

# run_queue QUEUE: all that is in it. In a lab that is served nothing is tried a second time.
run_queue() {
	local n count
	count=$(how_many "$1")
	if ((served && count)); then
		NMGRE_LAB_NAME=$name "$here/work.sh" "$folder" "$1/$suite" "$name"
		return
	fi
	for ((n = 1; n <= count; n++)); do start_worker "$1" "$n"; done
	wait_workers
}

run_labs() {
	((!served && $(how_many queue) > 1)) || : >"$folder/live"
	run_queue queue
	run_queue alone
}

# --- the outcome ----------------------------------------------------------

# show_failed: all that a test said which did not end well, with its lab's name.
show_failed() {
	local r n lab p t seconds
	[[ ! -e $folder/live ]] || return 0
	for r in "$folder"/results/*; do
		[[ -e $r ]] || continue
		grep -qE ' (FAIL|SKIP) | END .* [1-9][0-9]*$' "$r" || continue
		n=${r##*/}
		read -r _ lab p _ t seconds _ < <(tail -n 1 "$r")
		printf '\n=== FAIL %s %s, in %s after %d s; all that it said:\n' "$p" "$t" "$lab" "$seconds"
		cat "$folder/logs/$n"
		echo "=== the end of $p $t"
	done
}

# note_times: for the order of the next run.
note_times() {
	local old=/dev/null
	[[ ! -e $times ]] || old=$times
	{ cat "$old"; cat "$folder"/results/* 2>/dev/null | awk '$4 == "PASS" || $4 == "FAIL" { print $1, $3, $5, $6 }'; } |
		awk '{ all[$1 " " $2 " " $3] = $4 } END { for (t in all) print t, all[t] }' | LC_ALL=C sort >"$times.new"
	mv "$times.new" "$times"
}

# summary: a line for each suite and package, and one for all; false when something is wrong.
summary() {
	{ cat "$folder/plan"; echo "--"; cat "$folder"/results/* 2>/dev/null; } | awk '
		!results && $1 == "--" { results = 1; next }
		!results {
			if (!(($2, $3) in seen)) { seen[$2, $3] = 1; order[++n] = $2 " " $3 }
			if ($4 != "-") planned[$2 " " $3 " " $4] = 1
			next
		}
		{ p = $1 " " $3 }
		$4 == "END" {
			seconds[p] += $6
			if ($5 == "-") whole[p] = 1
			status[p " " $5] = $7
			next
		}
		$4 == "SKIP" { skipped[p]++; trouble(p, $5 " (skipped)") }
		$4 == "FAIL" { failed[p]++; has_failed[p " " $5] = has_failed[p " -"] = 1; trouble(p, $5) }
		$4 == "PASS" { passed[p]++ }
		$5 !~ /\// && $5 ~ /^Test/ { ran[p " " $5]++ }
		function trouble(p, text) { bad[p] = bad[p] " " text }
		END {
			for (t in planned) if (ran[t] != 1) {
				split(t, part, " ")
				if (!ran[t]) unrun++
				trouble(part[1] " " part[2], part[3] (ran[t] ? " (ran " ran[t] " times)" : status[t] ? " (no verdict, status " status[t] ")" : " (did not run)"))
			}
			for (t in status) if (status[t] && !has_failed[t] && (t in ran || !(t in planned))) {
				split(t, part, " ")
				trouble(part[1] " " part[2], part[3] " (status " status[t] ")")
			}
			for (t in ran) {
				split(t, part, " ")
				if (!(t in planned) && !whole[part[1] " " part[2]]) trouble(part[1] " " part[2], part[3] " (was not to run)")
			}
			for (i = 1; i <= n; i++) {
				p = order[i]
				verdict = bad[p] ? "FAIL" : "ok"
				if (!passed[p] && !failed[p]) verdict = "FAIL (no test ran)"
				if (verdict != "ok") wrong = 1
				split(p, part, " ")
				printf "lab: %-8s %-18s %s: %d passed, %d failed, %d skipped, %d s%s\n", part[1], part[2], verdict, passed[p], failed[p], skipped[p], seconds[p], bad[p] ? " --" bad[p] : ""
				good += passed[p]; lost += failed[p]; out += skipped[p]
			}
			printf "lab: %d tests\n", good + lost
			printf "lab: %d passed, %d failed, %d skipped\n", good, lost + unrun, out
			exit wrong || !n
		}'
}

# --------------------------------------------------------------------------

parse() {
	local p
	while (($#)) && [[ $1 != -- ]]; do
		case $1 in
		--also | --all)
			[[ ${2-} =~ ^[a-z]+$ ]] || fail "$1 needs the name of a suite"
			[[ " ${suites[*]} " != *" $2 "* ]] || fail "$2 is named twice"
			suites+=("$2")
			[[ $1 == --all ]] || mark[$2]=some
			shift
			;;
		*)
			p=./${1#./}
			chosen+=("${p%/}")
			;;
		esac
		shift
	done
	(($#)) && shift
	args=("$@")
	[[ ${#chosen[@]} != 0 || ! $named ]] || mapfile -t chosen < <(cut -d ' ' -f 1 "$named" | LC_ALL=C sort -u)
	((${#args[@]} == 0 || ${#suites[@]} == 1)) || fail "with arguments for the tests there is one suite only"
	((${#chosen[@]})) || mapfile -t chosen < <(packages)
	((${#chosen[@]})) || fail "no package has a lab_test.go"
}

# prepare: the lab is built, and its first start saved, while the tests are built. Those of other
# suites follow while tests run.
prepare() {
	local p
	served=0
	if "$here/lab.sh" exec -- true </dev/null 2>/dev/null; then
		((${#suites[@]} == 1)) || fail "lab '$name' keeps running, and is of one suite; end it with: lab.sh stop"
		[[ $("$here/lab.sh" share) == "$share" ]] || fail "lab '$name' shows another folder as /share"
		served=1
	else
		builds "$suite"
	fi
	build_product
	for p in "${chosen[@]}"; do build_tests "$p"; done
	write_runner
	[[ -z $builder ]] || wait "$builder"
	builder=
	((served)) || [[ -e $folder/ready/$suite ]] || fail "the lab does not start"
	((${#suites[@]} == 1)) || builds "${suites[@]:1}"
}

# builds SUITE...: in the background.
builds() {
	setpriv --pdeathsig TERM "$here/labs.sh" build "$folder" "$@" </dev/null &
	builder=$!
}

main() {
	local status=0
	parse "$@"
	# A benchmark is for a machine as it is.
	[[ " ${args[*]} " != *" -test.bench"* ]] || export NMGRE_LAB_PROCESSORS=${NMGRE_LAB_PROCESSORS:-$(nproc)}
	export NMGRE_LAB_TIMEOUT=${NMGRE_LAB_TIMEOUT:-$((${#args[@]} ? 4200 : 900))}
	mkdir -p "$share" "$repo/build"
	trap end_all EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	folder=$(mktemp -d "$repo/build/lab-test.XXXXXX")
	mkdir "$folder"/{queue,alone,taken,logs,results,ready,broken,at}
	prepare
	fill_queue
	fetch_packages
	run_labs
	show_failed
	note_times
	echo
	summary >"$folder/summary" || status=1
	cat "$folder/summary"
	exit "$status"
}

main "$@"
