#!/bin/bash
# test.sh [PKG...] [-- ARG...]: the tests that need the lab.
#
# Builds the product and the tests of every package that has a file named
# lab_test.go (or of the PKGs given, as ./nm), runs all tests named TestLab...
# inside the lab in one go, one package after the other, and says at the end
# what each package did. ARGs go to every test binary (-test.run ... replaces
# the default choice of tests).
#
# A lab that "lab.sh serve" keeps running (NMGRE_LAB_NAME) is used as it is;
# else one is started and ended.
#
# It fails when a test fails, when a package runs no test, or when a test is
# skipped. NMGRE_LAB_COVER=1 builds with coverage; the data comes to
# build/lab-out/cover.
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
name=${NMGRE_LAB_NAME:-default}
share=$repo/build/lab-share
tests=$share/tests
limit=${NMGRE_LAB_TIMEOUT:-4200}
readonly here repo name share tests limit

fail() {
	echo "test.sh: $*" >&2
	exit 1
}

# packages: folders with a lab_test.go; the lab's own tests only when asked for.
packages() {
	(cd "$repo" && find . -path ./build -prune -o -path ./testdata -prune -o -path '*/.*' -prune -o \
		-name lab_test.go -printf '%h\n' | LC_ALL=C sort)
}

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

# build_tests PKG: PKG's tests and what lies beside them, in a folder of the
# same name.
build_tests() {
	local to=$tests/$1
	rm -rf "$to"
	mkdir -p "$to"
	go_build test -c -o "$to/lab.test" "$1" || fail "the tests of $1 do not build"
	[[ -x $to/lab.test ]] || fail "$1 has no tests"
	# The root package's testdata holds the lab itself, and that may be large.
	[[ -d $repo/$1/testdata ]] || return 0
	(cd "$repo/$1" && tar -c --exclude=testdata/lab testdata) | tar -x -C "$to"
}

# write_runner: the script that runs inside.
write_runner() {
	cat >"$share/run-tests.new" <<-'END'
		#!/bin/bash
		# run-tests PKG... [-- ARG...]
		status=0
		packages=()
		while (($#)) && [[ $1 != -- ]]; do packages+=("$1"); shift; done
		shift
		[[ " $* " == *" -test.run"* ]] || set -- -test.run '^TestLab' "$@"
		# From memory: a program of /share is fetched anew at every start.
		mkdir -p /tmp/bin /out/cover
		[[ ! -d /share/bin ]] || cp /share/bin/* /tmp/bin/
		export PATH=/tmp/bin:$PATH
		export GOCOVERDIR=/out/cover
		for p in "${packages[@]}"; do
			echo "=== package $p"
			began=$SECONDS
			cd "/share/tests/$p" && ./lab.test -test.v -test.timeout "${LIMIT}s" "$@" || status=1
			echo "=== end $p $((SECONDS - began))"
		done
		exit $status
	END
	chmod 755 "$share/run-tests.new"
	mv "$share/run-tests.new" "$share/run-tests" # a shell that reads the old one goes on with it
}

# run_inside ARG...: in the lab that is up, or in one of its own.
run_inside() {
	if "$here/lab.sh" exec -- true </dev/null 2>/dev/null; then
		[[ $("$here/lab.sh" share) == "$share" ]] || fail "lab '$name' shows another folder as /share"
		"$here/lab.sh" exec --timeout "$limit" --env "LIMIT=$limit" -- /share/run-tests "$@"
	else
		"$here/lab.sh" run --timeout "$limit" --env "LIMIT=$limit" -- /share/run-tests "$@"
	fi </dev/null
}

# summary LOG: a line for each package and one for all; false when something
# did not run.
summary() {
	awk '
		/^=== package / { p = $3; order[++n] = p }
		/^=== end / { seconds[p] = $4; ended[p] = 1 }
		/^--- PASS: / { pass[p]++ }
		/^Benchmark[^ \t]*[ \t]+[0-9]+[ \t]/ { pass[p]++ }
		/^--- FAIL: / { failed[p]++; names[p] = names[p] " " $3 }
		/^ *--- SKIP: / { skipped[p]++; names[p] = names[p] " " $3 }
		END {
			for (i = 1; i <= n; i++) {
				p = order[i]; ran = pass[p] + failed[p]
				verdict = "ok"
				if (failed[p] || skipped[p] || !ended[p]) verdict = "FAIL"
				if (!ran) verdict = "FAIL (no test ran)"
				if (verdict != "ok") bad = 1
				printf "lab: %-20s %s: %d passed, %d failed, %d skipped, %d s%s\n", p, verdict, pass[p], failed[p], skipped[p], seconds[p], names[p] ? " --" names[p] : ""
				total += ran; good += pass[p]; wrong += failed[p]; out += skipped[p]
			}
			printf "lab: %d tests in %d packages\n", total, n
			printf "lab: %d passed, %d failed, %d skipped\n", good, wrong, out
			exit bad || !n
		}' "$1"
}

main() {
	local chosen=() log status p
	while (($#)) && [[ $1 != -- ]]; do
		p=./${1#./}
		chosen+=("${p%/}")
		shift
	done
	(($#)) && shift
	((${#chosen[@]})) || mapfile -t chosen < <(packages)
	((${#chosen[@]})) || fail "no package has a lab_test.go"
	build_product
	for p in "${chosen[@]}"; do build_tests "$p"; done
	write_runner
	mkdir -p "$repo/build"
	log=$(mktemp "$repo/build/lab-test.XXXXXX")
	# Lines as they come, and once more for counting.
	run_inside "${chosen[@]}" -- "$@" 2>&1 | tee "$log"
	status=${PIPESTATUS[0]}
	echo
	summary "$log" || ((status)) || status=1
	rm -f "$log"
	exit "$status"
}

main "$@"
