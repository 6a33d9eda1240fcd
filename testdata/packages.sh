#!/bin/bash
# packages.sh [SUITE...]: tries the packages for real.
#
# Builds the deb, rpm and apk of this machine's kind twice, in two folders and two environments, and
# wants the same bytes. Has Debian's checkers look at them, and compares the three lists of files.
# Then installs, upgrades, removes and purges the deb in the lab, on each SUITE (bookworm trixie
# forky): TestLabPackages and TestLabPackagesAmongOthers. "packages.sh check" does all but the lab, for
# who has processors to spare, and "packages.sh programs" only installs the checkers.
#
# It needs root where the checkers are to be installed, or the lab to be built.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly work=$PWD/build/test-packages share=$PWD/build/lab-share/deb
readonly older=0.0.9
packaging=cmd/nmgre/packaging

fail() {
	echo "packages.sh: $*" >&2
	exit 1
}

build() {
	rm -rf "$work"
	mkdir -p "$work/again"
	go run ./$packaging packages -arch amd64 "$work/here"
	go run ./$packaging packages -arch amd64 -format deb -version $older "$work/older"
	build_elsewhere
}

# build_elsewhere: from another folder, with other settings of the machine. What is not committed
# comes along, so that both are builds of the same files.
build_elsewhere() {
	git clone -q --shared . "$work/again/clone"
	git diff HEAD --binary >"$work/again/diff"
	[[ ! -s $work/again/diff ]] || git -C "$work/again/clone" apply "$work/again/diff"
	(
		cd "$work/again/clone"
		umask 077
		# What is compiled once is good for both: it has no paths in it.
		GOPATH=$(go env GOPATH) GOCACHE=$(go env GOCACHE) GOFLAGS=$(go env GOFLAGS)
		export GOPATH GOCACHE GOFLAGS
		TZ=Asia/Kathmandu LC_ALL=C HOME=$work/again go run ./$packaging packages -arch amd64 "$work/there"
	)
	rm -rf "$work/again"
}

same_bytes() {
	(cd "$work/here" && sha256sum -- *) >"$work/here.sums"
	(cd "$work/there" && sha256sum -- *) >"$work/there.sums"
	[[ $(wc -l <"$work/here.sums") == 3 ]] || fail "there are not three packages"
	diff "$work/here.sums" "$work/there.sums" || fail "two builds differ"
	echo "packages: two builds of the three packages are equal, byte for byte"
}

need_checkers() {
	local p missing=()
	for p in lintian rpm rpmlint rpm2cpio cpio desktop-file-utils appstream; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q ' installed' || missing+=("$p")
	done
	((${#missing[@]})) || return 0
	export DEBIAN_FRONTEND=noninteractive
	apt-get -qq update
	apt-get -qq -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}" >/dev/null
}

# check: an error or a warning of lintian or rpmlint fails. Those that stay have a reason in
# lintian-overrides and rpmlint.toml.
check() {
	local said deb=("$work"/here/*.deb) rpm=("$work"/here/*.rpm)
	said=$(lintian --no-cfg --allow-root --fail-on error,warning "${deb[0]}") || fail "lintian: $said"
	mkdir -p "$work/bin"
	# nfpm's paths begin with "/", and rpmlint would have cpio unpack them there.
	printf '#!/bin/sh\nexec /usr/bin/cpio --no-absolute-filenames "$@"\n' >"$work/bin/cpio"
	chmod 755 "$work/bin/cpio"
	said=$(PATH=$work/bin:$PATH rpmlint -c $packaging/rpmlint.toml "${rpm[0]}" 2>&1) || fail "rpmlint: $said"
	[[ $said == *" 0 errors, 0 warnings"* ]] || fail "rpmlint: $said"
	desktop-file-validate "$work/tree.deb/usr/share/applications/org.nmgre.nmgre.desktop" || fail "the desktop entry is not valid"
	said=$(appstreamcli validate --no-net --pedantic "$work/tree.deb/usr/share/metainfo/org.nmgre.nmgre.metainfo.xml") || fail "appstreamcli: $said"
	said=$(appstreamcli validate-tree --no-net "$work/tree.deb") || fail "appstreamcli: $said"
	echo "packages: lintian, rpmlint, desktop-file-validate and appstreamcli find nothing"
}

# list TREE: the files with their modes, without those that only one kind of package has. The zsh of
# Debian looks into a folder of its own.
list() {
	(cd "$1" && find . \( -type f -o -path ./etc/nmgre \) -printf '%m %P\n') |
		sed -e 's,vendor-completions,site-functions,' |
		grep -vE ' usr/share/(doc|licenses|lintian)/| \.[A-Za-z]|/lib/rpm' | LC_ALL=C sort
}

# same_files: rpm itself installs its package into a folder; dpkg-deb and tar unpack the others. No
# script runs: they are tried in the lab.
same_files() {
	local kind
	mkdir -p "$work"/tree.{deb,rpm,apk}
	dpkg-deb -x "$work"/here/*.deb "$work/tree.deb"
	rpm --root "$work/tree.rpm" --dbpath /rpmdb --initdb
	rpm --root "$work/tree.rpm" --dbpath /rpmdb --install --nodeps --noscripts --ignorearch --ignoreos "$work"/here/*.rpm
	rpm --root "$work/tree.rpm" --dbpath /rpmdb --verify --nodeps nmgre || fail "rpm finds other files than it has installed"
	rm -rf "$work/tree.rpm/rpmdb"
	tar -xzf "$work"/here/*.apk -C "$work/tree.apk" 2>/dev/null
	list "$work/tree.deb" >"$work/list.deb"
	[[ $(wc -l <"$work/list.deb") -ge 50 ]] || fail "the deb has few files: $(<"$work/list.deb")"
	for kind in rpm apk; do
		list "$work/tree.$kind" | diff "$work/list.deb" - || fail "the $kind has other files than the deb"
		cmp "$work"/tree.deb/usr/share/doc/nmgre/copyright "$work"/tree.$kind/usr/share/licenses/nmgre/copyright
		cmp "$work"/tree.{deb,$kind}/usr/bin/nmgre
	done
	file_is_static "$work/tree.deb/usr/bin/nmgre"
	echo "packages: deb, rpm and apk have the same $(wc -l <"$work/list.deb") files, and each its licences and changelog"
}

file_is_static() {
	local said
	said=$("$1" version) && [[ $said == *commit* ]] || fail "the program does not know its commit: $said"
	! ldd "$1" >/dev/null 2>&1 || fail "the program is not static"
}

in_the_lab() { # SUITE...
	local suite
	rm -rf "$share"
	mkdir -p "$share"
	cp "$work"/here/*.deb "$share/nmgre.deb"
	cp "$work"/older/*.deb "$share/older.deb"
	printf './cmd/nmgre %s\n' TestLabPackages TestLabPackagesAmongOthers >"$work/tests"
	for suite; do
		NMGRE_LAB_SUITE=$suite NMGRE_LAB_TESTS=$work/tests testdata/lab/test.sh ./cmd/nmgre || fail "the packages fail on $suite"
	done
}

check_all() {
	build
	same_bytes
	need_checkers
	same_files
	check
	touch "$work/checked"
}

if [[ ${1-} == programs ]]; then
	need_checkers
	exit
fi
# What was checked just now, and of these very files, is good.
[[ ${NMGRE_PACKAGES_CHECKED-} == 1 && -e $work/checked ]] || check_all
[[ ${1-} != check ]] || exit 0
(($#)) || set -- bookworm trixie forky
in_the_lab "$@"
