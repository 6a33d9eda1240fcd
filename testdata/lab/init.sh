#!/bin/bash
# init.sh vm|direct|attach: first process inside the lab.
#
# vm:     on the disk image, after the initramfs; mounts what a system needs
#         and the shares of the machine.
# direct: in fresh namespaces of the machine itself (lab.sh made them); builds
#         a root of its own over the Debian tree, writable and forgotten.
# attach: not a first process; see the function of that name.
#
# vm and direct then make the hosts and start the agent that takes commands.
set -u

export PATH=/share/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8 TERM=${TERM:-linux} NMGRE_LAB=1

say() { echo "lab: $*"; }

give_up() {
	say "$*"
	[[ $mode == direct ]] || poweroff_now
	exit 1
}

poweroff_now() {
	sync
	echo o >/proc/sysrq-trigger
	sleep 5
}

stamp() {
	local up
	read -r up _ </proc/uptime
	say "$up s: $*"
}

mount_vm() {
	local folder
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mkdir -p /dev/pts /dev/shm
	ln -s /proc/self/fd /dev/fd
	ln -s fd/0 /dev/stdin
	ln -s fd/1 /dev/stdout
	ln -s fd/2 /dev/stderr
	mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
	mount -t tmpfs -o mode=755 run /run
	mount -t tmpfs -o mode=1777 shm /dev/shm
	mount -t tmpfs -o mode=1777 tmp /tmp
	# The hosts look at these two folders, so that they see what "attach"
	# mounts there later.
	for folder in /share /out; do
		mount -t tmpfs -o mode=755 none $folder
		mount --make-shared $folder
	done
	ip link set lo up
	# GRE's fallback devices must be there before the hosts are, so that a
	# host's pristine state does not change when the first tunnel is made.
	modprobe -a 9pnet_virtio 9p ip_gre ip6_gre veth
}

# attach TIME: the last step of every start of a virtual machine, also of one
# that goes on from a saved state: sets the clock and mounts the machine's
# folders (a state cannot be saved while they are mounted).
attach() {
	date -s "@$1" >/dev/null
	mount_share share ro && mount_share out rw
}

mount_share() {
	# cache=none: a file changed on the machine is seen at once.
	mount -t 9p -o "$2,trans=virtio,version=9p2000.L,msize=524288,cache=none" "$1" "/$1"
}

# In direct mode lab.sh gives folders of the machine in these variables.
mount_direct() {
	local new=$LAB_INSTANCE/root
	mkdir -p "$new"
	mount -t tmpfs -o mode=755 lab "$new"
	cd "$new" || give_up "no root"
	mkdir lower upper work root
	mount --bind "$LAB_TREE" lower
	# No path in the options: a comma or colon in it would be the end of it.
	mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work lab root ||
		give_up "no overlay over $LAB_TREE"
	cd root || give_up "no root"
	mkdir -p share out lab run/lab/base run/lab/instance
	mount -t proc proc proc
	mount -t sysfs -o ro sysfs sys
	mount -t tmpfs -o mode=755 run run
	mount -t tmpfs -o mode=1777 tmp tmp
	make_dev dev
	mkdir -p run/lab/base run/lab/instance
	mount --bind "$LAB_TREE" run/lab/base
	mount --bind "$LAB_INSTANCE" run/lab/instance
	mount --bind -o ro "$LAB_SHARE" share
	mount --bind "$LAB_OUT" out
	mount --bind "$LAB_FILES" lab
	mkdir -p old
	pivot_root . old
	exec </dev/null
	cd /
	umount -l /old
	rmdir /old
	ip link set lo up
}

make_dev() {
	local node
	mount -t tmpfs -o mode=755 dev "$1"
	for node in null zero full random urandom tty; do
		: >"$1/$node"
		mount --bind "/dev/$node" "$1/$node"
	done
	mkdir "$1/pts" "$1/shm"
	mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts "$1/pts"
	mount -t tmpfs -o mode=1777 shm "$1/shm"
	ln -s pts/ptmx "$1/ptmx"
	ln -s /proc/self/fd "$1/fd"
	ln -s fd/0 "$1/stdin"
	ln -s fd/1 "$1/stdout"
	ln -s fd/2 "$1/stderr"
}

# wait_for_agent never leaves in a VM: as process 1 it also reaps orphans.
wait_for_agent() {
	local agent=$1
	while kill -0 "$agent" 2>/dev/null; do
		wait "$agent"
	done
	give_up "the agent has ended"
}

mode=${1:-vm}
if [[ $mode == attach ]]; then
	attach "$2"
	exit
fi
if [[ $mode == direct ]]; then
	mount_direct
	LAB_LOWER=/run/lab/base
	listen=(-unix /run/lab/instance/agent.sock)
else
	mount_vm
	LAB_LOWER=/disk
	listen=(-virtio)
fi
export LAB_LOWER
echo lab >/proc/sys/kernel/hostname
stamp "mounted"
/lab/hosts.sh up || give_up "the hosts could not be made"
stamp "hosts are up"
cd /root || cd /
# A listener needs no terminal, and commands must not get the console.
# In the background the shell ignores Ctrl-C for it and all that it starts.
env --default-signal=INT,QUIT /lab/agent serve "${listen[@]}" </dev/null &
wait_for_agent $!
