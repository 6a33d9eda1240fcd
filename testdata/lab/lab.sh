#!/bin/bash
# lab.sh: a small network with GRE and two NetworkManagers, for tests.
#
#   lab.sh setup                     install what is needed, build the lab
#   lab.sh run [OPTION...] -- COMMAND [ARG...]
#                                    start the lab, run COMMAND in it, end it
#   lab.sh during [OPTION...] -- COMMAND [ARG...]
#                                    start the lab, run COMMAND on this machine
#                                    while it is up, end it; COMMAND finds the
#                                    lab by NMGRE_LAB_NAME
#   lab.sh shell [HOST]              interactive shell on linux1 or HOST
#   lab.sh serve [OPTION...]         start the lab in the background
#   lab.sh exec [OPTION...] -- COMMAND [ARG...]
#                                    run COMMAND in the lab that serve started
#   lab.sh stop                      end the lab that serve started
#   lab.sh log                       what that lab's console said, and qemu
#   lab.sh share                     which folder that lab shows as /share
#   lab.sh package NAME [OPTION...]  fetch a Debian package of the suite, with what it depends on
#                                    and the lab has not; unpack it below packages/SUITE/NAME in
#                                    the folder that the lab sees as /share
#   lab.sh clean                     remove everything that setup built
#
# Options
#   --share DIR        folder to see as /share, read-only (build/lab-share)
#   --out DIR          folder to see as /out, writable (build/lab-out)
#   --env NAME=VALUE   for COMMAND; may be repeated
#   --timeout SECONDS  end COMMAND (with run: the lab) after that (1200)
#   --on HOST          run COMMAND on a host, not on the lab's controller
#   --tty              give COMMAND the terminal
#
# Environment
#   NMGRE_LAB_CACHE    where the lab is built (build/lab)
#   NMGRE_LAB_SUITE    Debian suite inside (bookworm); see "suites"
#   NMGRE_LAB_NAME     which lab serve, exec, shell and stop mean (default)
#   NMGRE_LAB_MODE     vm: a virtual machine; direct: namespaces of this
#                      machine's kernel. Without it: direct where the user is
#                      root and the kernel has what is needed, else vm.
#   NMGRE_LAB_PROCESSORS  how many a virtual machine has (see "processors")
#
# Exit status: COMMAND's own; 124 after the timeout; 125 when the lab failed.
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd)
suite=${NMGRE_LAB_SUITE:-bookworm}
cache=$(realpath -m "${NMGRE_LAB_CACHE:-$repo/build/lab}")
base=$cache/$suite
agent=$cache/agent
name=${NMGRE_LAB_NAME:-default}
# The suites: bookworm has NetworkManager 1.42, trixie 1.52, forky 1.58. All run on the kernel of
# one, so that a difference between them is NetworkManager's doing, and a suite costs a root only.
kernel_suite=bookworm
kernel=$cache/$kernel_suite
readonly here repo suite cache base agent name kernel_suite kernel

# Raise it when setup must build again.
readonly recipe=5

readonly machine_packages=(debootstrap debian-archive-keyring qemu-system-x86 kmod
	e2fsprogs cpio xz-utils iproute2 util-linux)
readonly lab_packages=(network-manager libpam-systemd dbus polkitd pkexec util-linux-extra iproute2 nftables kmod procps
	iputils-ping tcpdump conntrack strace tmux bash-completion zsh fish man-db less
	vim-tiny ncurses-term busybox-static iptables netplan.io python3
	openssh-client openssh-server sudo ansible-core)
# Programs that also bring tunnels up. They exclude each other as packages, so each is unpacked
# into a folder of its own, /opt/NAME, from which a test copies it into a host.
readonly apart_packages=(ifupdown ifupdown2 ifupdown-ng)
# What of the kernel's modules goes into the lab.
readonly module_folders=(arch crypto lib net fs/9p fs/ext4 fs/fscache fs/jbd2 fs/netfs
	fs/overlayfs drivers/block drivers/char/hw_random drivers/net drivers/virtio)
readonly early_modules=(virtio_pci virtio_blk ext4 overlay virtio_console virtio_rng)

fail() {
	echo "lab: $*" >&2
	exit 125
}

note() { echo "lab: $*" >&2; }

# --- setup ----------------------------------------------------------------

setup() {
	local began=$SECONDS
	if is_built; then
		note "the lab is built already ($base)"
	else
		[[ $EUID == 0 ]] || fail "setup needs root"
		mkdir -p "$base" || fail "cannot make $base"
		hide_from_go
		lock_cache
		install_packages
		flock -u 8
		lock_suite
		build
		flock -u 7
		note "built in $((SECONDS - began)) s: $base"
	fi
	build_agent
}

stamp_text() { echo "recipe $recipe $suite"; }
is_built() { [[ -f $base/stamp && $(<"$base/stamp") == "$(stamp_text)" ]]; }

# hide_from_go: the cache lies in the repository, and "./..." would look for packages in all of
# Debian. While that is installed, it even fails there. A folder with a go.mod is left out.
hide_from_go() { [[ -e $cache/go.mod ]] || echo "module lab" >"$cache/go.mod"; }

# lock_cache: for changes of the machine, its packages and its kernel's modules.
lock_cache() {
	exec 8>"$cache/lock"
	flock 8
}

# lock_suite: two setups of one suite at once: the second waits. Other suites are built beside it.
lock_suite() {
	exec 7>"$base/lock"
	flock 7
}

build() {
	is_built && return
	[[ -f $base/tree.stamp && $(<"$base/tree.stamp") == "$(stamp_text)" ]] || build_tree
	if [[ $suite == "$kernel_suite" ]]; then build_kernel; else borrow_kernel; fi
	build_image
	stamp_text >"$base/stamp"
}

install_packages() {
	local p missing=()
	for p in "${machine_packages[@]}"; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q ' installed' || missing+=("$p")
	done
	((${#missing[@]})) || return 0
	note "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get -qq update || fail "apt-get update failed"
	apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends "${missing[@]}" >/dev/null ||
		fail "could not install ${missing[*]}"
}

# mirror: where this machine gets Debian from; nothing where it is no Debian, and
# debootstrap knows itself.
mirror() {
	local url
	# shellcheck disable=SC2016 # apt's own variables
	url=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		sed -n 's,^Debian Debian \(http[^ ]*\)$,\1,p' | head -1)
	echo "$url"
}

use_proxy_of_apt() {
	local proxy=
	eval "$(apt-config shell proxy Acquire::http::Proxy)"
	[[ -z $proxy ]] || export http_proxy=$proxy
}

build_tree() {
	local tree=$base/tree.new url
	url=$(mirror)
	use_proxy_of_apt
	note "Debian $suite${url:+ from $url}"
	remove_tree "$base/tree"
	remove_tree "$tree"
	setpriv --pdeathsig TERM debootstrap --variant=minbase --exclude=e2fsprogs,logsave,tzdata \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
		"$suite" "$tree" "${url:-http://deb.debian.org/debian}" "$(bootstrap_script)" >"$base/debootstrap.log" 2>&1 ||
		fail "debootstrap failed; see $base/debootstrap.log"
	fill_tree "$tree" >"$base/packages.log" 2>&1 || fail "packages failed; see $base/packages.log"
	mv "$tree" "$base/tree"
	stamp_text >"$base/tree.stamp"
}

# bootstrap_script: a debootstrap that is older than the suite has none of its name. The suites
# since etch have the same.
bootstrap_script() {
	local scripts=/usr/share/debootstrap/scripts
	if [[ -e $scripts/$suite ]]; then echo "$scripts/$suite"; else echo "$scripts/sid"; fi
}

# remove_tree FOLDER: debootstrap, when it is killed, leaves mounts in its tree.
remove_tree() {
	local mounted
	while read -r _ mounted _; do
		printf -v mounted %b "$mounted"
		[[ $mounted != "$1"/* ]] || umount "$mounted" || fail "cannot unmount $mounted"
	done < <(tac /proc/mounts)
	rm -rf --one-file-system "$1"
}

fill_tree() {
	local tree=$1
	# No service starts while packages are installed; no text nobody reads.
	printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
	chmod 755 "$tree/usr/sbin/policy-rc.d"
	printf 'path-exclude=/usr/share/locale/*\npath-exclude=/usr/share/doc/*\n' >"$tree/etc/dpkg/dpkg.cfg.d/lab"
	echo 'man-db man-db/auto-update boolean false' | chroot "$tree" debconf-set-selections
	# A mirror may stand still; only the signature of its list counts.
	in_tree "$tree" apt-get -qq -o Acquire::Check-Valid-Until=false update || return 1
	in_tree "$tree" apt-get -qq -y -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Use-Pty=0 \
		install --no-install-recommends "${lab_packages[@]}" || return 1
	unpack_apart "$tree" || return 1
	[[ $suite != "$kernel_suite" ]] || fetch_kernel "$tree" || return 1
	in_tree "$tree" useradd -m -u 1000 -s /bin/bash ann || return 1
	# From version 127 on systemd starts it as root. Here it has to be root by itself, as before.
	chmod u+s "$tree/usr/lib/polkit-1/polkit-agent-helper-1" || return 1
	mkdir -p "$tree"/{share,out,lab,disk}
	# It only serves the package ifupdown, which is not here.
	rm -f "$tree/etc/NetworkManager/dispatcher.d/01-ifupdown"
	rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree/etc/resolv.conf"
	echo lab >"$tree/etc/hostname"
}

# in_tree TREE COMMAND...: with a /proc that nobody else sees and that goes when COMMAND ends.
in_tree() {
	# shellcheck disable=SC2016 # for the inner shell
	DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 setpriv --pdeathsig TERM unshare -m --propagation private -- \
		bash -c 'mount -t proc proc "$1/proc" && exec chroot "$@"' bash "$@"
}

# package NAME: nothing is installed, neither on this machine nor in the lab. What was fetched once
# stays with the lab.
package() {
	local wanted=$1 to=$base/packages/$1
	is_built || setup
	lock_suite
	[[ -e $to/root ]] || fetch_package "$wanted" "$to"
	flock -u 7
	rm -rf "$share/packages/$suite/$wanted"
	mkdir -p "$share/packages/$suite"
	cp -a "$to/root" "$share/packages/$suite/$wanted" || fail "cannot copy $wanted to $share"
}

# fetch_package NAME FOLDER: apt resolves NAME's dependencies by the state of the lab's own tree.
fetch_package() {
	local url work=$2.new deb
	url=$(mirror)
	rm -rf "$work"
	mkdir -p "$work"/{lists/partial,archives/partial,root}
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${url:-http://deb.debian.org/debian} $suite main" >"$work/sources.list"
	local options=(-qq -y -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
		-o Dir::State::Lists="$work/lists" -o Dir::State::status="$base/tree/var/lib/dpkg/status" -o Dir::Cache::Archives="$work/archives"
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Debug::NoLocking=1 -o APT::Sandbox::User=root -o Acquire::Check-Valid-Until=false)
	apt-get "${options[@]}" update >"$base/package.log" 2>&1 &&
		apt-get "${options[@]}" --no-install-recommends --download-only install "$1" >>"$base/package.log" 2>&1 ||
		fail "$1 could not be fetched; see $base/package.log"
	for deb in "$work"/archives/*.deb; do
		dpkg-deb -x "$deb" "$work/root" || fail "$deb cannot be unpacked"
	done
	rm -rf "$work/lists" "$work/archives" "$2"
	mv "$work" "$2"
}

# unpack_apart TREE: packages that cannot be installed beside each other, each into /opt.
unpack_apart() {
	local tree=$1 package
	for package in "${apart_packages[@]}"; do
		in_tree "$tree" sh -c "cd /root && apt-get -qq download $package && dpkg -x ${package}_*.deb /opt/$package && rm ${package}_*.deb" || return 1
	done
}

# fetch_kernel TREE: linux-image-amd64 only points to the package that holds
# the kernel of the day.
fetch_kernel() {
	local tree=$1 package
	package=$(in_tree "$tree" apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[^ ]*\).*/\1/p' | head -1)
	[[ $package ]] || return 1
	in_tree "$tree" sh -c "cd /root && apt-get -qq download $package" || return 1
	rm -f "$base"/linux-image-*.deb
	mv "$tree"/root/linux-image-*.deb "$base/"
}

build_kernel() {
	local k=$base/kernel version
	note "kernel"
	rm -rf "$k"
	dpkg-deb -x "$base"/linux-image-*.deb "$k" || fail "cannot unpack the kernel"
	version=$(basename "$k"/boot/vmlinuz-*)
	version=${version#vmlinuz-}
	# Newer packages keep modules under /usr/lib.
	[[ -d $k/lib/modules ]] || { mkdir -p "$k/lib" && mv "$k/usr/lib/modules" "$k/lib/modules"; }
	copy_modules "$k/lib/modules/$version" "$version"
	build_initramfs "$version" || fail "cannot make the initramfs"
	unpack_vmlinux "$k/boot/vmlinuz-$version"
	rm -rf "$k"
}

# borrow_kernel: of the suite that has it, only the modules need to be in this one's root.
borrow_kernel() {
	NMGRE_LAB_SUITE=$kernel_suite "$here/lab.sh" setup 7>&- || exit
	rm -rf "$base/tree/lib/modules"
	cp -a "$kernel/tree/lib/modules" "$base/tree/lib/modules" || fail "cannot copy the kernel's modules"
}

copy_modules() {
	local from=$1 to=$base/tree/lib/modules/$2 folder
	rm -rf "$base/tree/lib/modules"
	mkdir -p "$to/kernel"
	for folder in "${module_folders[@]}"; do
		[[ -d $from/kernel/$folder ]] || continue
		mkdir -p "$to/kernel/$folder"
		cp -a "$from/kernel/$folder/." "$to/kernel/$folder/"
	done
	cp -a "$from"/kernel/fs/*.ko* "$to/kernel/fs/" 2>/dev/null
	cp -a "$from"/kernel/drivers/char/virtio_console.ko* "$to/kernel/drivers/char/" 2>/dev/null
	# Drivers of real hardware are most of the size and of no use here.
	rm -rf "$to"/kernel/drivers/net/{ethernet,wireless,usb,can,wwan,fddi,hamradio,arcnet,phy,fjes}
	cp -a "$from"/modules.{order,builtin,builtin.modinfo} "$to/"
	depmod -b "$base/tree" "$2" || fail "depmod failed"
}

# The first file system: enough to mount the disk.
build_initramfs() {
	local version=$1 i=$base/initramfs file
	rm -rf "$i"
	mkdir -p "$i"/{bin,proc,dev,disk,rw,new,modules}
	cp "$base/tree/bin/busybox" "$i/bin/"
	modprobe -d "$base/tree" -S "$version" --show-depends -a "${early_modules[@]}" |
		awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$base/modules.list"
	while read -r file; do
		cp "$file" "$i/modules/" && basename "$file" >>"$i/modules/list"
	done <"$base/modules.list"
	early_init >"$i/init"
	chmod 755 "$i/init"
	pack_cpio "$i" >"$base/initramfs.cpio"
}

early_init() {
	cat <<-'END'
		#!/bin/busybox sh
		PATH=/bin
		busybox mount -t proc proc /proc
		busybox mount -t devtmpfs dev /dev
		# Some drive the processor's own instructions, which may be missing.
		for m in $(busybox cat /modules/list); do busybox insmod /modules/$m 2>/dev/null; done
		# The disk is read-only, all that is written stays in memory: a saved
		# state of the memory is then a saved state of everything.
		busybox mount -t ext4 -o ro /dev/vda /disk || echo "lab: no disk"
		busybox mount -t tmpfs -o mode=755 rw /rw
		busybox mkdir /rw/upper /rw/work
		busybox mount -t overlay -o lowerdir=/disk,upperdir=/rw/upper,workdir=/rw/work root /new ||
			echo "lab: no root"
		busybox mount --move /disk /new/disk
		busybox mount -t tmpfs -o mode=755 lab /new/lab
		busybox cp -a /lab/. /new/lab/
		busybox mount --move /dev /new/dev
		busybox umount /proc
		exec busybox switch_root /new /lab/init.sh vm
	END
}

pack_cpio() { (cd "$1" && find . | cpio -o -H newc --quiet -R 0:0); }

# unpack_vmlinux FILE: an emulated processor would spend seconds on unpacking
# the kernel. Where its packing is not known, the packed one serves.
unpack_vmlinux() {
	local offset
	cp "$1" "$base/vmlinuz"
	rm -f "$base/vmlinux"
	offset=$(LC_ALL=C grep -obUaP '\xfd7zXZ\x00' "$1" | head -1 | cut -d: -f1)
	[[ $offset ]] || return 0
	tail -c "+$((offset + 1))" "$1" | xz -dc >"$base/vmlinux" 2>/dev/null
	# xz complains about the bytes behind the packed part: look at the result.
	[[ $(head -c 4 "$base/vmlinux") == $'\x7fELF' ]] || rm -f "$base/vmlinux"
}

build_image() {
	note "disk image"
	rm -f "$base/root.img"
	# The image is never written to, so it needs no journal.
	mke2fs -q -t ext4 -O ^has_journal -E nodiscard -d "$base/tree" -F "$base/root.img" 2G ||
		fail "cannot make the disk image"
}

build_agent() {
	local source
	if [[ -x $agent ]]; then
		for source in "$here"/agent/*.go; do [[ $source -nt $agent ]] && break; done
		[[ $source -nt $agent ]] || return 0
	fi
	mkdir -p "$cache"
	(cd "$repo" && CGO_ENABLED=0 go build -trimpath -o "$agent.$$" ./testdata/lab/agent) ||
		fail "cannot build the agent"
	mv "$agent.$$" "$agent"
}

clean() {
	local i
	for i in "$cache"/run/*/; do
		[[ -d $i ]] && instance=${i%/} && is_up && fail "$instance still runs: stop it first"
	done
	remove_tree "$cache"
}

# --- one running lab ------------------------------------------------------

# The instance folder holds pid, mode, boot.log and the agent's sockets.
instance=
pid=

is_up() {
	local p
	[[ -s $instance/pid ]] || return 1
	p=$(<"$instance/pid")
	# The process works in the instance folder: another one that got the same
	# number does not.
	[[ $(readlink "/proc/$p/cwd") == "$instance" ]]
}

# start_lab LIFE: LIFE is "with me" (the lab dies with this script) or "alone".
start_lab() {
	is_built || setup
	build_agent
	mkdir -p "$share" "$out" || fail "cannot make $share and $out"
	rm -rf "$instance"
	mkdir -p "$instance/files"
	cp "$here/init.sh" "$here/hosts.sh" "$agent" "$instance/files/" || fail "cannot write $instance"
	choose_mode
	echo "$mode" >"$instance/mode"
	echo "$share" >"$instance/share"
	if [[ $mode == direct ]]; then start_direct "$1"; else start_vm "$1"; fi
}

choose_mode() {
	mode=${NMGRE_LAB_MODE:-}
	[[ $mode == @(|vm|direct) ]] || fail "NMGRE_LAB_MODE is '$mode'; it must be vm or direct"
	if [[ $EUID != 0 ]]; then
		[[ $mode != direct ]] || fail "the direct mode needs root"
		mode=vm
	fi
	[[ $mode == vm ]] && return
	# The look whether the kernel serves loads modules already.
	lock_cache
	note_modules
	[[ $mode == direct ]] && return
	mode=direct
	kernel_serves && return
	mode=vm
	drop_modules
	flock -u 8
}

# kernel_serves: can this machine's kernel make the hosts itself?
kernel_serves() {
	# shellcheck disable=SC2016 # for the inner shell
	unshare -n -m --propagation private -- bash -c '
		ip link add name g4 type gre local 127.0.0.1 remote 127.0.0.2 &&
		ip link add name g6 type ip6gre local ::1 remote ::2 &&
		ip link add name v1 type veth peer name v2 &&
		mount -t sysfs -o ro sysfs /sys &&
		mount -t tmpfs t /mnt && mkdir /mnt/{u,w,r} &&
		cd "$1" && mount -t overlay -o lowerdir=.,upperdir=/mnt/u,workdir=/mnt/w o /mnt/r' \
		bash "$base/tree" >/dev/null 2>&1
}

# leash LIFE: the words before a command that must, or must not, die with us.
leash() {
	if [[ $1 == "with me" ]]; then echo "setpriv --pdeathsig KILL"; fi
}

start_vm() {
	local saved
	pack_files
	if [[ ${NMGRE_LAB_STATE:-} == no ]]; then
		launch "$1"
	else
		saved=$base/state-$(state_key)
		lock_suite
		[[ -f $saved ]] || save_state "$saved"
		flock -u 7
		touch "$saved"
		launch "$1" -incoming "exec:cat $(printf %q "$saved")"
	fi
	wait_sockets
	talk -timeout 180 -- /lab/init.sh attach "$(date +%s.%N)" </dev/null || lab_failed
}

# state_key: of all that a saved state depends on.
state_key() {
	{
		stamp_text
		declare -f launch
		cat "$instance/files"/*
		stat -c '%s %Y' "$base/root.img" "$kernel/initramfs.cpio"
		qemu-system-x86_64 --version
		accelerator
		processors
		grep -m 1 'model name' /proc/cpuinfo
	} | sha256sum | cut -c 1-16
}

# save_state FILE: starting two NetworkManagers on an emulated processor takes
# long. So the machine's memory is saved once, when all hosts are up, and every
# lab goes on from there.
save_state() {
	local mon=$instance/mon looks reader
	note "starting the lab for the first time ..."
	find "$base" -maxdepth 1 -name 'state-*' -mmin +1440 -delete
	mkfifo "$mon.in" "$mon.out"
	launch "with me" -chardev pipe,id=mon,path=mon -mon chardev=mon,mode=readline
	setpriv --pdeathsig KILL cat "$mon.out" >"$mon.log" &
	reader=$!
	wait_sockets
	talk -timeout 300 -- true </dev/null || lab_failed
	printf '%s\n' 'migrate_set_parameter max-bandwidth 100G' \
		"migrate \"exec:cat >$(printf %q "$1.new")\"" 'info migrate' quit >"$mon.in"
	for ((looks = 0; looks < 2400; looks++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.05
	done
	kill -9 "$pid" "$reader" 2>/dev/null
	wait "$pid" "$reader" 2>/dev/null
	grep -q 'Migration status: completed' "$mon.log" || lab_failed
	mv "$1.new" "$1"
	rm -f "$instance"/port? "$instance"/mon.*
}

accelerator() {
	# /dev/kvm alone proves nothing: it may be there and hang.
	if grep -qwE 'vmx|svm' /proc/cpuinfo && [[ -w /dev/kvm ]]; then
		echo "-accel kvm -cpu host"
	else
		echo "-accel tcg,thread=multi"
	fi
}

# launch LIFE ARG...: starts the virtual machine with more arguments for qemu.
# norandmaps: an emulated processor translates a program anew wherever else in
# memory it finds it. A program that is always in one place starts twice as fast.
# no_timer_check: the kernel counts ticks of the timer as it boots, and panics where a busy machine
# gives it none in time.
launch() {
	local image=$kernel/vmlinux args=() life=$1 n
	shift
	[[ -f $image ]] || image=$kernel/vmlinuz
	for n in 0 1 2 3 4 5 6 7; do
		args+=(-chardev "socket,id=c$n,path=port$n,server=on,wait=off" -device "virtserialport,chardev=c$n,name=lab.$n")
	done
	cd "$instance" || fail "no $instance"
	# setsid: Ctrl-C is for the command inside.
	# shellcheck disable=SC2046 # leash and accelerator give words
	TMPDIR=$instance setsid $(leash "$life") qemu-system-x86_64 $(accelerator) -smp "$(processors)" -m 2048 \
		-nodefaults -no-user-config -display none -no-reboot -serial file:boot.log \
		-kernel "$image" -initrd initrd \
		-append "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off nokaslr tsc=reliable clocksource=tsc random.trust_cpu=on norandmaps no_timer_check" \
		-drive "file=$(escape "$base/root.img"),if=none,id=root,format=raw,readonly=on" \
		-device virtio-blk-pci,drive=root -device virtio-rng-pci \
		-device virtio-serial-pci,max_ports=16 "${args[@]}" \
		-virtfs "local,path=$(escape "$share"),mount_tag=share,security_model=none,readonly=on,multidevs=remap" \
		-virtfs "local,path=$(escape "$out"),mount_tag=out,security_model=none,multidevs=remap" \
		"$@" </dev/null >qemu.log 2>&1 7>&- 8>&- &
	pid=$!
	echo "$pid" >pid
	cd "$OLDPWD" || cd /
}

# escape PATH: for an option of qemu, where a comma separates.
escape() { echo "${1//,/,,}"; }

# processors: one, where it is emulated. The emulator need not keep the memory of
# several in step then: programs start twice as fast, with half of the work.
processors() {
	local n=1
	[[ $(accelerator) == *tcg* ]] || n=$(nproc)
	((n <= 4)) || n=4
	echo "${NMGRE_LAB_PROCESSORS:-$n}"
}

# pack_files: the lab's scripts and agent travel in the initramfs, so a change
# in them needs no new image.
pack_files() {
	local p=$instance/pack
	mkdir "$p"
	cp -a "$instance/files" "$p/lab"
	pack_cpio "$p" | cat "$kernel/initramfs.cpio" - >"$instance/initrd"
	rm -rf "$p"
}

start_direct() {
	modprobe -a ip_gre ip6_gre veth overlay 2>/dev/null
	cd "$instance" || fail "no $instance"
	# Its own process namespace: when the first process in it dies, all others
	# do, and then mounts and networks go. The outer unshare stays outside, in
	# the instance folder: a new root would take its place there away.
	# shellcheck disable=SC2046 # leash gives words
	LAB_TREE=$base/tree LAB_INSTANCE=$instance LAB_SHARE=$share LAB_OUT=$out LAB_FILES=$instance/files \
		setsid $(leash "$1") unshare -p -f --kill-child=KILL -- unshare -n -m -u -i --propagation private -- \
		/bin/bash "$instance/files/init.sh" direct </dev/null >boot.log 2>&1 7>&- 8>&- &
	pid=$!
	disown "$pid"
	echo "$pid" >pid
	cd "$OLDPWD" || cd /
	flock -u 8
	wait_sockets
}

wait_sockets() {
	local looks
	for ((looks = 0; looks < 1200; looks++)); do
		[[ -S $instance/port7 || -S $instance/agent.sock ]] && return 0
		kill -0 "$pid" 2>/dev/null || lab_failed
		sleep 0.05
	done
	lab_failed
}

lab_failed() {
	note "the lab did not start; its last words:"
	tail -n 20 "$instance/boot.log" "$instance/qemu.log" >&2 2>/dev/null
	exit 125
}

end_lab() {
	local looks
	if is_up; then
		pid=$(<"$instance/pid")
		ask_to_end
		for ((looks = 0; looks < 100; looks++)); do
			is_up || break
			((looks == 60)) && kill -9 "$pid" 2>/dev/null
			sleep 0.05
		done
	fi
	rm -f "$instance/pid"
	[[ -f $instance/modules.before ]] || return 0
	lock_cache
	drop_modules
	flock -u 8
}

# ask_to_end: in direct mode the process is unshare, which does not listen; its
# only child is the lab's first process, and unshare ends when that is gone
# with all that came from it.
ask_to_end() {
	local first=
	if [[ $(<"$instance/mode") == direct ]]; then
		read -r first 2>/dev/null <"/proc/$pid/task/$pid/children"
		kill -9 "${first:-$pid}" 2>/dev/null
	else
		kill "$pid" 2>/dev/null
	fi
}

# note_modules and drop_modules: in direct mode the kernel is the machine's own;
# modules that were loaded for the labs go with the last one of them. Both need
# the cache's lock.
note_modules() {
	local from
	[[ -r /proc/modules ]] || return 0 # a kernel without modules
	from=$(other_direct_lab) && cp "$from/modules.before" "$instance/" && return
	cut -d' ' -f1 /proc/modules >"$instance/modules.before"
}

drop_modules() {
	local round module modules used
	[[ -f $instance/modules.before ]] || return 0
	other_direct_lab >/dev/null && return
	for round in 1 2 3 4 5; do
		modules=$(unused_modules)
		[[ $modules ]] || break
		used=${used-$(in_use)}
		for module in $modules; do
			is_needed "$module" "$used" || rmmod "$module" 2>/dev/null
		done
		[[ $(unused_modules) != "$modules" ]] || sleep "0.$round"
	done
	rm -f "$instance/modules.before"
}

# other_direct_lab: the folder of another lab on this kernel, if one is up.
other_direct_lab() {
	local me=$instance instance
	for instance in "$cache"/run/*; do
		[[ $instance != "$me" && -f $instance/modules.before ]] && is_up && echo "$instance" && return
	done
	return 1
}

# unused_modules: those of a lab's modules that came since and have no user.
unused_modules() {
	awk 'NR == FNR { old[$1]; next } !($1 in old) && $3 == 0 { print $1 }' "$instance/modules.before" /proc/modules |
		while read -r module; do
			case $module in
			gre | ip_gre | ip6_gre | ip_tunnel | ip6_tunnel | tunnel[46] | ipip | sit | fou | veth | dummy | vrf | overlay) ;;
			nf_tables | nft_* | nf_nat | nf_conntrack* | nf_defrag_* | nf_reject_* | nfnetlink* | libcrc32c) ;;
			*) continue ;;
			esac
			echo "$module"
		done
}

# in_use: the kinds of links in all networks of the machine, and "nft" where one
# has nft tables. Modules do not count these as users: unloading one would take
# the links or tables along.
in_use() {
	local net
	{
		lsns -n -t net -o PID | sed -n 's,^ *\([1-9][0-9]*\)$,/proc/\1/ns/net,p'
		find /run/netns -mindepth 1 2>/dev/null
	} | while read -r net; do
		# Fallback devices come with the module.
		nsenter --net="$net" ip -d -j link | sed 's/,{"ifindex"/\n&/g' |
			sed -nE '/"ifname":"(gre0|gretap0|erspan0|ip6gre0|ip6tnl0|tunl0|sit0)"/d; s/.*"info_kind":"([^"]*)".*/\1/p'
		[[ ! -d /sys/module/nf_tables || ! $(nsenter --net="$net" chroot "$base/tree" nft list tables) ]] || echo nft
	done 2>/dev/null
}

# is_needed MODULE USED: USED is the output of in_use.
is_needed() {
	local kind
	case $1 in
	nf_tables | nft_*) [[ $'\n'$2$'\n' == *$'\n'nft$'\n'* ]] && return ;;
	esac
	for kind in $(modinfo -F alias "$1" 2>/dev/null | sed -n 's/^rtnl-link-//p'); do
		[[ $'\n'$2$'\n' == *$'\n'$kind$'\n'* ]] && return
	done
	return 1
}

# talk ARG...: one command in the running lab, by the agent.
talk() { "$agent" exec -dir "$instance" "$@"; }

# --- sub-commands ---------------------------------------------------------

share=$repo/build/lab-share
out=$repo/build/lab-out
timeout=1200
env=()
on=
tty=()
command=()

# options ARG...: sets the variables above.
options() {
	while (($#)); do
		case $1 in
		--share | --out | --env | --timeout | --on) (($# > 1)) || fail "$1 needs a value" ;;&
		--share) share=$(realpath -m "$2") && shift ;;
		--out) out=$(realpath -m "$2") && shift ;;
		--env) env+=(-env "$2") && shift ;;
		--timeout) timeout=$2 && shift ;;
		--on) on=$2 && shift ;;
		--tty) tty=(-tty) ;;
		--) shift && command=("$@") && return ;;
		*) fail "unknown option $1; see the top of $0" ;;
		esac
		shift
	done
}

need_command() {
	((${#command[@]})) || fail "no command; write: lab.sh $1 -- COMMAND [ARG...]"
	[[ -z $on ]] || command=(/lab/hosts.sh in "$on" "${command[@]}")
}

run() {
	options "$@"
	need_command run
	instance=$cache/run/run-$$
	end_with_us
	start_lab "with me"
	talk_and_report "${tty[@]}" -timeout "$timeout" "${env[@]}" -- "${command[@]}"
}

# during: the lab has no name that others know, so that many can be up at once.
during() {
	options "$@"
	need_command during
	instance=$cache/run/run-$$
	end_with_us
	start_lab "with me"
	NMGRE_LAB_NAME=run-$$ "${command[@]}" <&0 &
	talker=$!
	wait "$talker"
	exit
}

# forget_dead: folders of labs whose script was killed.
forget_dead() {
	local d
	for d in "$cache"/run/run-*; do
		[[ ! -d $d ]] || kill -0 "${d##*run-}" 2>/dev/null || rm -rf "$d"
	done
}

# end_with_us: the lab ends when this script does, whatever ends it.
end_with_us() {
	forget_dead
	trap 'end_talker; end_lab; rm -rf "$instance"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
}

talker=
end_talker() { [[ -z $talker ]] || kill "$talker" 2>/dev/null; }

# talk_and_report: like talk, but says why when the lab went away. The agent
# runs in the background: a signal to this script is handled at once.
talk_and_report() {
	local status
	talk "$@" <&0 &
	talker=$!
	wait "$talker"
	status=$?
	talker=
	cp "$instance/boot.log" "$cache/boot.log" 2>/dev/null
	if ((status == 125)) && ! is_up; then lab_failed; fi
	exit $status
}

serve() {
	options "$@"
	if is_up; then
		note "lab '$name' is up already"
		return
	fi
	# What stops this script now must not leave half a lab behind.
	end_with_us
	trap end_lab EXIT
	start_lab alone
	trap - EXIT
	note "lab '$name' is up ($(<"$instance/mode")); end it with: lab.sh stop"
}

need_up() { is_up || fail "lab '$name' is not up; start it with: lab.sh serve"; }

run_in_served() {
	options "$@"
	need_command exec
	need_up
	talk "${tty[@]}" -timeout "$timeout" "${env[@]}" -- "${command[@]}"
}

shell() {
	local host=${1:-linux1}
	if ! is_up; then
		instance=$cache/run/run-$$
		end_with_us
		note "starting the lab ..."
		start_lab "with me"
	fi
	banner "$host"
	talk -tty -env "TERM=${TERM:-linux}" -- /lab/hosts.sh in "$host" bash -i
}

banner() {
	cat <<-END

		  lan1 ------- linux1 ------- router ------- linux2 ------- lan2
		  10.10.1.100  10.10.1.1      100.0.1.1      10.10.2.1      10.10.2.100
		               100.0.1.100    100.0.2.1      100.0.2.100

		linux1 and linux2 run NetworkManager (profiles wan and lan).
		You are root on $1. For shells on several hosts at the same time:
		lab.sh serve, and then lab.sh shell HOST in each terminal.
		/share is $share (nmgre is found in /share/bin), /out is $out.
		"exit" or Ctrl-A X leaves.

	END
}

stop() {
	need_up
	end_lab
	rm -rf "$instance"
}

main() {
	local what=${1:-help}
	(($#)) && shift
	instance=$cache/run/$name
	case $what in
	setup) setup ;;
	run) run "$@" ;;
	during) during "$@" ;;
	serve) serve "$@" ;;
	exec) run_in_served "$@" ;;
	shell) shell "$@" ;;
	stop) stop ;;
	log) cat "$instance/boot.log" "$instance/qemu.log" 2>/dev/null ;;
	share) cat "$instance/share" ;;
	package)
		(($#)) || fail "package needs the name of one package"
		options "${@:2}"
		package "$1"
		;;
	clean) clean ;;
	*)
		sed -n '2,/^set -u/s/^# \{0,1\}//p' "$0"
		[[ $what == help ]] || exit 2
		;;
	esac
}

main "$@"
