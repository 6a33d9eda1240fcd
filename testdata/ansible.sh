#!/bin/bash
# ansible.sh [packages]: tries the collection of cmd/ansible, without the lab. "packages" only installs
# its programs, with apt; nothing else of it needs a network.
#
# Ansible's own checkers look at it: all tests of ansible-test that need nothing from the Internet, and
# validate-modules, yamllint and pep8 by themselves, as ansible-test would fetch them. ansible-doc
# shows each module, filter and role. The collection is packed, and installed from that. Then
# cmd/ansible/testdata/modules.yml plays the modules against a program in nmgre's place, and has nmgre
# plan the meshes of the role.
#
# It needs root where Debian's packages are to be installed.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Outside of the repository, as ansible-test looks at git's files only.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
readonly repo=$PWD work
readonly inside=$work/ansible_collections/nmgre/gre

fail() {
	echo "ansible.sh: $*" >&2
	exit 1
}

need_packages() {
	local p missing=()
	for p in ansible-core python3-voluptuous yamllint pycodestyle; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q ' installed' || missing+=("$p")
	done
	((${#missing[@]})) || return 0
	apt-get -qq update
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}" >/dev/null
}

# prepare: the collection where Ansible looks for it, and nmgre, which plans the role's meshes.
prepare() {
	go build -trimpath -o "$work/nmgre" ./cmd/nmgre
	export PATH=/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C.UTF-8 # Debian's Python, whatever else there is
	export HOME=$work/home ANSIBLE_COLLECTIONS_PATH=$work ANSIBLE_COLLECTIONS_PATHS=$work ANSIBLE_LOCALHOST_WARNING=false
	export PYTHONDONTWRITEBYTECODE=1 NO_COLOR=1
	mkdir -p "$inside" "$HOME" "$work/fake"
	cp -r cmd/ansible/. "$inside"
	rm -rf "$inside"/{*.go,testdata}
}

# checkers: those of ansible-test. Where it would fetch a checker, it is run by itself below.
checkers() {
	local tests=() t data
	data=$(python3 -c 'import ansible_test, os; print(os.path.dirname(ansible_test.__file__))') || fail "there is no ansible-test"
	cd "$inside"
	for t in $(ansible-test sanity --list-tests 2>/dev/null); do
		[[ -e $data/_data/requirements/sanity.$t.txt || $t == pslint || $t == shellcheck ]] || tests+=(--test "$t")
	done
	((${#tests[@]} >= 20)) || fail "ansible-test has few tests: ${tests[*]}"
	ansible-test sanity --python default "${tests[@]}" >"$work/sanity" 2>&1 || { cat "$work/sanity"; fail "ansible-test"; }
	validate "$data/_util/controller/sanity/validate-modules/validate.py"
	yamllint -s -c "$repo/cmd/ansible/testdata/yamllint.yml" . || fail "yamllint"
	pycodestyle --max-line-length=160 --ignore=E402,W503 . || fail "pep8" # imports follow the documentation
	cd "$repo"
	echo "ansible: $((${#tests[@]} / 2)) tests of ansible-test, validate-modules, yamllint and pep8 find nothing"
}

# validate PROGRAM: its complaints, but for the licence: nmgre's is the MIT licence.
validate() {
	local kind
	for kind in module:modules filter:filter; do
		PYTHONPATH=$work python3 "$1" --arg-spec --collection ansible_collections/nmgre/gre --collection-version 0.1.0 \
			--plugin-type "${kind%:*}" "plugins/${kind#*:}"/*.py >"$work/validated" 2>&1 || true
		[[ $kind != module:* || $(grep -c missing-gplv3-license "$work/validated") == 3 ]] || {
			cat "$work/validated"
			fail "validate-modules has not seen each module"
		}
		! grep -v missing-gplv3-license "$work/validated" || fail "validate-modules"
	done
}

# shown WORD ARG...: ansible-doc ARG... shows the word.
shown() {
	local word=$1 text
	shift
	text=$(ansible-doc "$@" 2>&1) || fail "ansible-doc $*: $text"
	[[ $text == *"$word"* ]] || fail "ansible-doc $* has no $word: $text"
}

documentation() {
	shown clamp_mss nmgre.gre.tunnel
	shown prune nmgre.gre.document
	shown failed_tunnels nmgre.gre.tunnel_facts
	shown hostvars -t filter nmgre.gre.mesh_document
	shown mesh_star -t role nmgre.gre.mesh
	echo "ansible: ansible-doc shows the modules, the filter and the role"
}

# packed: installed from the archive, it has the files that Ansible needs, and nothing else.
packed() {
	ansible-galaxy collection build --output-path "$work/packed" "$inside" >/dev/null || fail "the collection cannot be packed"
	ANSIBLE_COLLECTIONS_PATH=$work/installed ANSIBLE_COLLECTIONS_PATHS=$work/installed \
		ansible-galaxy collection install --offline -p "$work/installed" "$work"/packed/nmgre-gre-*.tar.gz >"$work/install" 2>&1 || {
		cat "$work/install"
		fail "the collection cannot be installed"
	}
	[[ -e $work/installed/ansible_collections/nmgre/gre/plugins/modules/tunnel.py ]] || fail "no module is installed"
	[[ ! -e $work/installed/ansible_collections/nmgre/gre/ansible.go ]] || fail "Go is installed"
	echo "ansible: the collection can be packed, and installed from that"
}

played() {
	ansible-playbook -i localhost, -c local -e work="$work" -e ansible_python_interpreter=/usr/bin/python3 cmd/ansible/testdata/modules.yml >"$work/played" 2>&1 || {
		cat "$work/played"
		fail "the modules"
	}
	echo "ansible: $(grep -c '^TASK' "$work/played") tasks: the modules hand on what nmgre says, and nmgre plans the role's meshes"
}

need_packages
[[ ${1:-} != packages ]] || exit 0
prepare
checkers
documentation
packed
played
