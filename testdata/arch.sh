#!/bin/bash
# arch.sh [ARCH...]: all unit tests on other kinds of processors (s390x arm arm64), under qemu-user.
#
# s390x has the other byte order, arm has words of 32 bits. A test that qemu-user cannot run stands
# in testdata/arch.txt, with the reason; TestArch checks that list. It needs root where qemu is to be
# installed.
#
# Environment
#   PACKAGES   the packages (all)
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CGO_ENABLED=0

(($#)) || set -- s390x arm arm64
declare -A emulator=([s390x]=qemu-s390x-static [arm]=qemu-arm-static [arm64]=qemu-aarch64-static)

for arch; do
	[[ ${emulator[$arch]-} ]] || { echo "arch.sh: $arch is not one of ${!emulator[*]}" >&2; exit 2; }
	command -v "${emulator[$arch]}" >/dev/null && continue
	apt-get -qq update
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends qemu-user-static >/dev/null
done

# skipped ARCH PACKAGE: a regular expression of the tests that do not run there.
skipped() {
	awk -F ' [|] ' -v arch="$1" -v package="$2" '!/^#/ && NF == 4 {
		if ((" " $1 " ") ~ (" (" arch "|all) ") && $2 == package) { gsub(/ /, "|", $3); all = all (all ? "|" : "") $3 }
	} END { print all ? "^(" all ")$" : "^$" }' testdata/arch.txt
}

status=0
for arch; do
	read -ra packages <<<"${PACKAGES:-$(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./... | tr '\n' ' ')}"
	for package in "${packages[@]}"; do
		skip=$(skipped "$arch" "${package#nmgre/}")
		[[ $skip != '^(.*)$' ]] || continue
		GOARCH=$arch GOARM=7 go test -vet=off -timeout 30m -exec "${emulator[$arch]}" -skip "$skip" "$package" || status=1
	done
	echo "arch: $arch is done"
done
exit "$status"
