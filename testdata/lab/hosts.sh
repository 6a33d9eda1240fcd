#!/bin/bash
# hosts.sh: the five hosts of the lab, and more where they are asked for; runs inside it.
#
#   lan1 --- linux1 --- router --- linux2 --- lan2
#                         |
#                       linux3 ... linux9, each with its lan ("more")
#
#   lan1    eth0 10.10.1.100/24, default gateway 10.10.1.1
#   linux1  eth0 100.0.1.100/24, 2001:db8:1::100/64 (wan); eth1 10.10.1.1/24 (lan)
#   router  eth1 100.0.1.1/24, 2001:db8:1::1/64; eth2 100.0.2.1/24, 2001:db8:2::1/64
#   linux2  eth0 100.0.2.100/24, 2001:db8:2::100/64 (wan); eth1 10.10.2.1/24 (lan)
#   lan2    eth0 10.10.2.100/24, default gateway 10.10.2.1
#
# linux3 and lan3 are at the router's eth3 as linux2 and lan2 are at its eth2, and so on.
#
# A host is a network, a mount and a UTS namespace with a root of its own (an
# overlay), held by one sleeping process. Each linux runs a D-Bus system bus and
# NetworkManager. All share /tmp, /share and /out.
#
#   hosts.sh up                                  make all hosts
#   hosts.sh more N                              linux3 to linuxN, with their lans, are there, too
#   hosts.sh less                                and no more
#   hosts.sh in HOST COMMAND [ARG...]            run a command on a host
#   hosts.sh nm HOST start|stop|restart|kill9    NetworkManager of a host; rebus: its bus, too
#   hosts.sh sshd HOST CLIENT                    root and ann of CLIENT may log in to HOST
#   hosts.sh reboot HOST                         play a reboot
#   hosts.sh reset HOST                          back to the state after "up"
#   hosts.sh snapshot HOST                       the host's state as text
#   hosts.sh diagnose HOST                       what helps after a failed test
#
# State: /run/lab/HOST/{pid,dbus.pid,nm.pid,dbus.log,nm.log,root/}.
set -u

readonly state=/run/lab
readonly lower=${LAB_LOWER:-/}
readonly all_hosts=(router linux1 linux2 lan1 lan2)
readonly nm_hosts=(linux1 linux2)
readonly most=9 # an address has its host's number as one digit
readonly wan_uuid=00000000-0000-4000-8000-000000000001
readonly lan_uuid=00000000-0000-4000-8000-000000000002

fail() {
	echo "hosts.sh: $*" >&2
	exit 1
}

is_host() {
	local h
	for h in "${all_hosts[@]}"; do [[ $h == "$1" ]] && return 0; done
	[[ $1 =~ ^(linux|lan)[3-9]$ && -d $state/$1 ]]
}

has_nm() { [[ $1 == linux[1-9] ]]; }

# sites: the numbers of the linux hosts that are there.
sites() {
	local n
	for ((n = 1; n <= most; n++)); do
		((n > 2)) && [[ ! -d $state/linux$n ]] || echo "$n"
	done
}

pid_of() { [[ -s $state/$1/$2 ]] && echo "$(<"$state/$1/$2")"; }

# alive PID: runs and is no zombie.
alive() {
	local line
	[[ -n ${1:-} && -r /proc/$1/stat ]] || return 1
	read -r line 2>/dev/null <"/proc/$1/stat" || return 1
	[[ ${line##*) } != Z* ]]
}

# wait_until SECONDS COMMAND...: a look may itself take long, so time counts.
wait_until() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	while ! "$@"; do
		((${EPOCHREALTIME/[.,]/} < end)) || return 1
		sleep 0.05
	done
}

read_file() { [[ ! -r $1 ]] || echo "$(<"$1")"; }

gone() { ! alive "$1"; }

# end_process PID: asks, waits 10 seconds, then kills.
end_process() {
	alive "${1:-}" || return 0
	kill "$1" 2>/dev/null
	wait_until 10 gone "$1" && return 0
	kill -9 "$1" 2>/dev/null
	wait_until 5 gone "$1"
}

enter() {
	local h=$1
	shift
	nsenter -t "$(pid_of "$h" pid)" -n -m -u -w -- "$@"
}

# --- making hosts ---------------------------------------------------------

make_root() {
	local d=$state/$1 r=$state/$1/root share
	mkdir -p "$d"/{upper,work,root}
	mount -t overlay -o "lowerdir=$lower,upperdir=$d/upper,workdir=$d/work" "lab-$1" "$r" || return 1
	mount -t tmpfs -o mode=755 run "$r/run" || return 1
	mount --rbind /dev "$r/dev" && mount --bind /proc "$r/proc" || return 1
	for share in tmp share out lab; do
		mkdir -p "$r/$share"
		mount --bind "/$share" "$r/$share" || return 1
	done
}

# hold HOST FILE: the process that is the host. It says its number in FILE when
# the host is ready.
hold() {
	local h=$1 r=$state/$1/root
	exec 3>"$2"
	mount -t sysfs -o ro sysfs "$r/sys" || exit 1
	cd "$r" && pivot_root . . && umount -l . && cd / || exit 1
	cd /root || exit 1
	boot_values "$h"
	ip link set lo up
	echo $$ >&3
	exec 3>&-
	exec sleep infinity
}

# boot_values HOST: sets the values of the host's sysctl.d.
boot_values() {
	echo "$1" >/proc/sys/kernel/hostname
	# No duplicate address detection: nobody else is on these links, and it
	# would cost every start two seconds.
	echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
	case $1 in
	router)
		echo 1 >/proc/sys/net/ipv4/ip_forward
		echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
		;;
	linux*) echo 1 >/proc/sys/net/ipv4/ip_forward ;;
	esac
}

# start_holder HOST: leaves the process number in pid.new.
start_holder() {
	local d=$state/$1
	rm -f "$d/pid.new"
	# slave: later mounts at /share and /out are seen here, too.
	setsid unshare -n -m -u --propagation slave -- "$0" hold "$1" "$d/pid.new" </dev/null >>"$d/hold.log" 2>&1 &
}

wait_holder() {
	wait_until 20 test -s "$state/$1/pid.new" || fail "$1 did not come up: $(<"$state/$1/hold.log")"
	mv "$state/$1/pid.new" "$state/$1/pid"
}

cable() {
	ip link add name "$2" netns "$(pid_of "$1" pid)" type veth peer name "$4" netns "$(pid_of "$3" pid)"
}

# configure HOST: addresses of a host without NetworkManager.
# shellcheck disable=SC2046 # numbers
configure() {
	case $1 in
	router) router_addresses $(sites) ;;
	lan*) lan_addresses "10.10.${1#lan}" ;;
	esac | enter "$1" ip -batch -
}

# router_addresses NUMBER...: of the links to the linux hosts with these numbers.
router_addresses() {
	local n
	for n; do
		cat <<-END
			addr replace 100.0.$n.1/24 dev eth$n
			addr replace 2001:db8:$n::1/64 dev eth$n nodad
			link set eth$n up
		END
	done
}

lan_addresses() {
	cat <<-END
		addr replace $1.100/24 dev eth0
		link set eth0 up
		route replace default via $1.1
	END
}

# profiles HOST: the keyfiles of wan and lan, and NetworkManager's own settings.
# The metrics are those that NetworkManager would choose itself; but it gives
# them in the order of activation, which differs from time to time.
profiles() {
	local etc=$state/$1/root/etc/NetworkManager n=${1#linux}
	mkdir -p "$etc/conf.d" "$etc/system-connections"
	cat >"$etc/NetworkManager.conf" <<-END
		[main]
		plugins=keyfile
		auth-polkit=root-only
		dns=none
		hostname-mode=none
		no-auto-default=*
		[connectivity]
		enabled=false
	END
	(
		umask 077
		cat >"$etc/system-connections/wan.nmconnection" <<-END
			[connection]
			id=wan
			uuid=$wan_uuid
			type=ethernet
			interface-name=eth0

			[ipv4]
			address1=100.0.$n.100/24,100.0.$n.1
			method=manual
			route-metric=100

			[ipv6]
			address1=2001:db8:$n::100/64,2001:db8:$n::1
			method=manual
			route-metric=100
		END
		cat >"$etc/system-connections/lan.nmconnection" <<-END
			[connection]
			id=lan
			uuid=$lan_uuid
			type=ethernet
			interface-name=eth1

			[ipv4]
			address1=10.10.$n.1/24
			method=manual
			route-metric=101

			[ipv6]
			method=disabled
		END
	)
}

up() {
	local h
	mkdir -p $state
	for h in "${all_hosts[@]}"; do
		make_root "$h" || fail "no root for $h"
		start_holder "$h"
	done
	for h in "${nm_hosts[@]}"; do profiles "$h"; done
	for h in "${all_hosts[@]}"; do wait_holder "$h"; done
	cable linux1 eth0 router eth1
	cable linux2 eth0 router eth2
	cable linux1 eth1 lan1 eth0
	cable linux2 eth1 lan2 eth0
	for h in router lan1 lan2; do configure "$h" || fail "no addresses on $h"; done
	each_of "${nm_hosts[*]}" start_services || exit 1
	each_of "${nm_hosts[*]}" save_pristine || exit 1
}

# more N: the hosts with the numbers 3 to N that are not there yet. They stay until "less", and cost
# other tests nothing: nobody resets them, and their NetworkManagers sleep.
more() {
	local n new=()
	[[ ${1:-} =~ ^[3-$most]$ ]] || fail "more N: 3 to $most"
	for ((n = 3; n <= $1; n++)); do
		[[ -s $state/linux$n/pid ]] || new+=("$n")
	done
	((${#new[@]})) || return 0
	for n in "${new[@]}"; do start_site "$n"; done
	for n in "${new[@]}"; do cable_site "$n"; done
	router_addresses "${new[@]}" | enter router ip -batch - || fail "no addresses on router"
	each_of "${new[*]/#/linux}" start_services || fail "not all are up"
	each_of "${new[*]/#/linux}" save_pristine || fail "not all are up"
}

# start_site NUMBER: a linux and its lan.
start_site() {
	local h
	for h in "linux$1" "lan$1"; do
		make_root "$h" || fail "no root for $h"
		start_holder "$h"
	done
	profiles "linux$1"
}

cable_site() {
	wait_holder "linux$1"
	wait_holder "lan$1"
	cable "linux$1" eth0 router "eth$1"
	cable "linux$1" eth1 "lan$1" eth0
	configure "lan$1" || fail "no addresses on lan$1"
}

# less: all that "more" has made ends, with all that runs there. The cables go with their hosts.
less() {
	local h d
	for d in "$state"/{linux,lan}[3-9]; do
		h=${d##*/}
		[[ -d $d ]] || continue
		kill_inhabitants "$(pid_of "$h" pid)"
		end_process "$(pid_of "$h" pid)"
		umount -R -l "$d/root" || fail "the root of $h stays"
		rm -rf "$d"
	done
}

# each_of "HOST..." COMMAND: COMMAND HOST for all of them at the same time.
each_of() {
	local h pids=() p status=0 hosts
	read -ra hosts <<<"$1"
	shift
	for h in "${hosts[@]}"; do
		"$@" "$h" &
		pids+=($!)
	done
	for p in "${pids[@]}"; do wait "$p" || status=1; done
	return $status
}

# --- D-Bus and NetworkManager ---------------------------------------------

# start_daemon HOST NAME COMMAND...: in the background, its number in NAME.pid,
# its output in NAME.log.
start_daemon() {
	local d=$state/$1 h=$1 name=$2
	shift 2
	# setsid: an interrupt typed at a test must not reach the daemons.
	setsid nsenter -t "$(pid_of "$h" pid)" -n -m -u -w -- "$@" </dev/null >>"$d/$name.log" 2>&1 &
	echo $! >"$d/$name.pid"
}

start_dbus() {
	local socket=$state/$1/root/run/dbus/system_bus_socket
	mkdir -p "$state/$1/root/run/dbus"
	rm -f "$socket"
	start_daemon "$1" dbus dbus-daemon --system --nofork --nopidfile
	wait_until 20 test -S "$socket" || fail "no D-Bus on $1"
}

nm_start() {
	alive "$(pid_of "$1" nm.pid)" && return 0
	alive "$(pid_of "$1" dbus.pid)" || start_dbus "$1"
	start_daemon "$1" nm NetworkManager --debug --log-level=INFO
	nm_wait "$1"
}

# nm_wait HOST: until NetworkManager owns its name and wan and lan are active.
nm_wait() {
	on_host "$1" wait_started || fail "NetworkManager of $1 did not finish starting"
	wait_until 20 both_active "$1" || fail "wan or lan of $1 is not active"
}

# wait_started: on the host, for a minute. nm-online waits for the same, and computes for half a
# second on an emulated machine.
wait_started() {
	local looks
	for ((looks = 0; looks < 300; looks++)); do
		[[ $(ask_nm '' org.freedesktop.DBus.Properties.Get string:org.freedesktop.NetworkManager string:Startup 2>/dev/null) != *"boolean false" ]] || return 0
		sleep 0.2
	done
	return 1
}

both_active() { is_active "$1" eth0 $wan_uuid && is_active "$1" eth1 $lan_uuid; }

# is_active HOST DEVICE UUID
is_active() { on_host "$1" device_active "$2" "$3"; }

# device_active DEVICE UUID: on the host; NetworkManager's own note of the
# profile on DEVICE (under its interface index) names UUID, and an address is
# there, which the port of a bridge has not.
device_active() {
	local index
	index=$(<"/sys/class/net/$1/ifindex") &&
		grep -qs "^connection-uuid=$2" "/run/NetworkManager/devices/$index" &&
		[[ -e /sys/class/net/$1/master || $(ip -4 -br addr show dev "$1") == *.* ]]
}

nm_stop() {
	end_process "$(pid_of "$1" nm.pid)"
	rm -f "$state/$1/nm.pid"
}

nm_kill9() {
	local pid
	pid=$(pid_of "$1" nm.pid) && kill -9 "$pid" 2>/dev/null
	wait_until 5 gone "$pid"
	rm -f "$state/$1/nm.pid"
}

start_services() {
	start_dbus "$1"
	nm_start "$1"
}

nm_command() {
	has_nm "$1" || fail "$1 has no NetworkManager"
	case ${2:-} in
	start) nm_start "$1" ;;
	stop) nm_stop "$1" ;;
	restart) nm_stop "$1" && nm_start "$1" ;;
	rebus) end_process "$(pid_of "$1" dbus.pid)" && start_dbus "$1" && nm_stop "$1" && nm_start "$1" ;;
	kill9) nm_kill9 "$1" ;;
	*) fail "nm HOST start|stop|restart|rebus|kill9" ;;
	esac
}

# --- ssh --------------------------------------------------------------------

# sshd_command HOST CLIENT: a real sshd on HOST, with keys that are made here, and for this only. Root
# and ann of CLIENT log in as root and as ann by a key, know the host's key, and call it by its
# name. ann may run everything as root by sudo. The reset of both hosts takes all of it away.
sshd_command() {
	local h=$1 client=${2:-} r=$state/$1/root c=$state/${2:-}/root
	is_host "$client" || fail "sshd HOST CLIENT"
	[[ ! -e $r/run/lab-sshd.pid ]] || end_process "$(<"$r/run/lab-sshd.pid")"
	mkdir -p "$r/run/sshd" "$r/etc/ssh" "$r/etc/sudoers.d"
	ssh_keys "$h" "$client" || fail "no keys for $h"
	cat >"$r/etc/ssh/lab_config" <<-END
		HostKey /etc/ssh/lab_host_key
		PidFile /run/lab-sshd.pid
		UsePAM no
		StrictModes no
		PermitRootLogin prohibit-password
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		AuthorizedKeysFile /etc/ssh/lab_authorized
		SetEnv PATH=/tmp/bin:/share/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	END
	printf 'Defaults secure_path="%s"\nann ALL=(root) NOPASSWD: ALL\n' /tmp/bin:/share/bin:/usr/sbin:/usr/bin:/sbin:/bin >"$r/etc/sudoers.d/lab"
	chmod 440 "$r/etc/sudoers.d/lab"
	start_daemon "$h" sshd /usr/sbin/sshd -D -e -f /etc/ssh/lab_config
	wait_until 20 test -s "$r/run/lab-sshd.pid" || fail "no sshd on $h: $(tail -5 "$state/$h/sshd.log")"
}

# ssh_keys HOST CLIENT: those of sshd, and one for root and ann of the client.
ssh_keys() {
	local r=$state/$1/root c=$state/$2/root n=${1#linux} home
	[[ -e $r/etc/ssh/lab_host_key ]] || ssh-keygen -q -t ed25519 -N '' -f "$r/etc/ssh/lab_host_key" || return 1
	mkdir -p "$c/root/.ssh" "$c/home/ann/.ssh"
	[[ -e $c/root/.ssh/id_ed25519 ]] || ssh-keygen -q -t ed25519 -N '' -f "$c/root/.ssh/id_ed25519" || return 1
	cat "$c/root/.ssh/id_ed25519.pub" >>"$r/etc/ssh/lab_authorized"
	chmod 644 "$r/etc/ssh/lab_authorized" # sshd reads it as ann
	sed -i 's/^ann:!/ann:*/' "$r/etc/shadow" # sshd lets nobody in whose account is locked
	echo "127.0.1.1 $1" >>"$r/etc/hosts"
	echo "100.0.$n.100 $1" >>"$c/etc/hosts"
	echo "$1,100.0.$n.100 $(<"$r/etc/ssh/lab_host_key.pub")" >>"$c/root/.ssh/known_hosts"
	cp -a "$c/root/.ssh/." "$c/home/ann/.ssh/"
	for home in root home/ann; do chmod 700 "$c/$home/.ssh"; done
	chown -R 1000:1000 "$c/home/ann/.ssh"
}

# --- reboot ---------------------------------------------------------------

# reboot_host HOST: the host gets a new network namespace (so every setting of
# the kernel is as at boot) and an empty /run; /etc and /var stay. Its cables
# move over.
reboot_host() {
	local h=$1 old
	old=$(pid_of "$h" pid)
	if has_nm "$h"; then
		nm_stop "$h"
		end_process "$(pid_of "$h" dbus.pid)"
	fi
	kill_inhabitants "$old"
	find "$state/$h/root/run" -mindepth 1 -delete
	start_holder "$h"
	wait_until 20 test -s "$state/$h/pid.new" || fail "$h did not come up again"
	move_cables "$old" "$(<"$state/$h/pid.new")"
	wait_holder "$h"
	kill -9 "$old"
	if has_nm "$h"; then start_services "$h"; else configure "$h"; fi
}

# kill_inhabitants HOLDER: every process in the holder's network namespace but
# the holder.
kill_inhabitants() {
	local p
	for p in /proc/[0-9]*; do
		[[ $p/ns/net -ef /proc/$1/ns/net && ${p#/proc/} != "$1" ]] || continue
		kill -9 "${p#/proc/}" 2>/dev/null
		wait_until 5 gone "${p#/proc/}"
	done
}

# shellcheck disable=SC2046 # numbers
move_cables() {
	local link
	for link in eth0 $(printf 'eth%s ' $(sites)); do
		[[ $(nsenter -t "$1" -n -- ip -br link show dev $link type veth 2>/dev/null) ]] || continue
		nsenter -t "$1" -n -- ip link set dev $link down mtu 1500 netns "$2"
	done
}

# --- reset ----------------------------------------------------------------

# had_vrf HOST: Linux adds the rule that leads to the tables of VRFs with the first VRF of a network
# namespace, and never again. A host from which that rule was taken has no working VRF any more.
had_vrf() { grep -q '^rule.*l3mdev' "$state/$1/now"; }

# kernel_state: one line per fact that a test may have changed; runs on the
# host. Few processes, as each costs a tenth of a second on an emulated machine.
kernel_state() {
	{
		echo '@ 4'
		printf '%s\n' link addr 'route show table all' rule nexthop | ip -4 -o -d -batch -
		echo '@ 6'
		printf '%s\n' addr 'route show table all' rule | ip -6 -o -d -batch -
		echo '@ nft'
		nft list ruleset
		echo '@ sysctl'
		grep -rs --exclude=stable_secret . /proc/sys/net/ipv4/conf /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf
	} | awk "$label_facts"
}

# The fallback devices of tunnels appear when a module is first used, IPv6's
# link-local and multicast routes with a link: they are nobody's doing.
# shellcheck disable=SC2016 # awk's own variables
readonly label_facts='
	$1 == "@" { part = $2; next }
	part == "nft" || part == "sysctl" {
		if ($0 !~ /conf\/(tunl0|sit0|ip_vti0|ip6_vti0)\/|mc_forwarding/) print part, $0
		next
	}
	{ sub(/ expires [0-9]+sec/, ""); sub(/ +$/, "") }
	/^id / { print "nexthop", $0; next }
	/^[0-9]+:\t/ { print "rule" part, $0; next }
	/^[0-9]+: [^ ]+: </ {
		sub(/^[0-9]+: /, ""); sub(/@[^:]*/, ""); sub(/link-netnsid [0-9]+/, ""); sub(/permaddr [0-9a-f:]+/, "")
		if ($1 !~ /^(tunl0|sit0|ip_vti0|ip6_vti0):/) print "link", $0
		next
	}
	/^[0-9]+: / { sub(/^[0-9]+: /, ""); sub(/\\.*/, ""); print "addr", $0; next }
	part == 6 && /^(unicast |local |anycast |multicast )?(fe80|ff00)/ { next }
	{ print "route" part, $0 }'

on_host() {
	local h=$1
	shift
	enter "$h" "$0" inside "$@"
}

save_pristine() {
	local d=$state/$1
	rm -rf "$d/pristine"
	mkdir "$d/pristine"
	on_host "$1" kernel_state >"$d/pristine/kernel"
	cp -a "$d/root/etc/NetworkManager" "$d/pristine/"
	changed_files "$1" >"$d/pristine/files"
}

# changed_files HOST: files of the host's root that differ from the lower tree.
# What NetworkManager notes for itself does not count.
changed_files() {
	(cd "$state/$1/upper" && find . -path ./var/lib/NetworkManager -prune -o \( ! -type d \) -print)
}

reset_host() {
	local h=$1
	has_nm "$h" || { reboot_host "$h" && return; }
	reset_files "$h"
	nm_start "$h"
	clear_pristine "$h" && return 0
	if ! had_vrf "$h"; then
		on_host "$h" clean_kernel <"$state/$h/pristine/kernel"
		wait_until 2 is_pristine "$h" && return 0
	fi
	# Something is left that the short way does not know: take the long one.
	echo "hosts.sh: reset of $h takes a reboot: $(difference "$h" | head -5)" >&2
	reboot_host "$h"
	wait_until 3 is_pristine "$h" || fail "$h is not as it was: $(difference "$h")"
}

# clear_pristine HOST: takes away the usual remains of a test, and reports whether there were no
# others. One process does it, and looks once: on an emulated machine both take long.
clear_pristine() {
	local d=$state/$1
	on_host "$1" clear_kernel "$reload" 3<"$d/pristine/kernel" >"$d/now"
	cmp -s "$d/now" "$d/pristine/kernel"
}

# clear_kernel RELOAD: on the host; prints the state of the kernel without the links that the state
# on descriptor 3 does not have, and without rules.
clear_kernel() {
	((!$1)) || reload_profiles
	nft flush ruleset
	delete_links "$(cat <&3)"
	forget_paths
	kernel_state
}

# forget_paths: path MTUs and redirects that the kernel was told live for ten minutes.
forget_paths() {
	ip route flush cache
	ip -6 route flush cache
}

is_pristine() {
	local d=$state/$1
	on_host "$1" kernel_state >"$d/now"
	cmp -s "$d/now" "$d/pristine/kernel"
}

difference() { diff "$state/$1/pristine/kernel" "$state/$1/now"; }

# reset_files HOST: removes files that were made and restores those that were
# changed. Sets reload when NetworkManager must read its profiles again; stops
# NetworkManager when its settings changed.
reset_files() {
	local h=$1 d=$state/$1 f files
	reload=0
	files=$(changed_files "$h")
	if [[ $files != "$(<"$d/pristine/files")" ]]; then
		while read -r f; do
			[[ -z $f ]] || restore_file "$h" "${f#./}"
		done < <(LC_ALL=C comm -13 <(LC_ALL=C sort "$d/pristine/files") <(LC_ALL=C sort <<<"$files"))
	fi
	restore_settings "$h"
	reset_run "$h"
	for f in etc/nmgre run/nmgre var/lib/nmgre; do
		[[ ! -e $d/root/$f ]] || rm -rf "${d:?}/root/$f"
	done
}

# restore_file HOST FILE: from the lower tree where it has FILE.
restore_file() {
	local root=$state/$1/root
	if [[ -e $lower/$2 && ! -d $lower/$2 ]]; then
		cp -a "$lower/$2" "$root/$2"
	else
		rm -f "$root/$2"
	fi
	note_change "$1" "$2"
}

# note_change HOST FILE: sets reload for a profile, and stops NetworkManager for its settings.
note_change() {
	case $2 in
	etc/NetworkManager/system-connections/*) reload=1 ;;
	etc/NetworkManager/conf.d/* | etc/NetworkManager/NetworkManager.conf) nm_stop "$1" ;;
	esac
}

# restore_settings HOST: profiles wan and lan and NetworkManager.conf.
restore_settings() {
	local d=$state/$1 f
	for f in NetworkManager.conf system-connections/{wan,lan}.nmconnection; do
		[[ $(<"$d/pristine/NetworkManager/$f") != "$(read_file "$d/root/etc/NetworkManager/$f")" ]] || continue
		cp -a "$d/pristine/NetworkManager/$f" "$d/root/etc/NetworkManager/$f"
		note_change "$1" "etc/NetworkManager/$f"
	done
}

# reset_run HOST: profiles that live in memory only have their files in /run.
reset_run() {
	local f
	for f in "$state/$1/root/run/NetworkManager/system-connections/"*; do
		[[ -e $f && $(<"$f") != *type=loopback* ]] || continue
		rm -f "$f"
		reload=1
	done
}

# reload_profiles: on the host; NetworkManager drops profiles that have no file any more.
reload_profiles() {
	ask_nm Settings org.freedesktop.NetworkManager.Settings.ReloadConnections >/dev/null
	if ! device_active eth0 $wan_uuid || ! device_active eth1 $lan_uuid; then
		activate_profiles
	fi
}

activate_profiles() {
	nmcli -w 20 con up uuid $wan_uuid >/dev/null && nmcli -w 20 con up uuid $lan_uuid >/dev/null
}

# clean_kernel: on the host; makes the kernel's links, addresses, routes and
# rules those of the state on standard input.
clean_kernel() {
	local kind rest again=0 want have
	want=$(LC_ALL=C sort)
	have=$(kernel_state | LC_ALL=C sort)
	while read -r kind rest; do
		take_away "$kind" "$rest"
	done < <(LC_ALL=C comm -13 <(echo "$want") <(echo "$have"))
	while read -r kind rest; do
		put_back "$kind" "$rest" || again=1
	done < <(LC_ALL=C comm -23 <(echo "$want") <(echo "$have"))
	((again)) && activate_profiles
}

# delete_links STATE: deletes links that STATE does not have.
delete_links() {
	local link
	ip -br link | while read -r link _; do
		link=${link%%@*}
		[[ $1 == *"link $link:"* ]] || ip link del dev "$link" 2>/dev/null
	done
}

# The words of an ip line are several arguments.
# shellcheck disable=SC2086
take_away() {
	case $1 in
	route4) ip -4 route del $2 ;;
	route6) ip -6 route del ${2%% pref *} ;;
	nexthop) ip nexthop del id "$(cut -d' ' -f2 <<<"$2")" ;;
	rule4) ip -4 rule del pref "${2%%:*}" ;;
	rule6) ip -6 rule del pref "${2%%:*}" ;;
	addr) set -- $2 && ip addr del "$3" dev "$1" ;;
	esac 2>/dev/null
}

# put_back fails where only NetworkManager can do it: by activating again.
# shellcheck disable=SC2086
put_back() {
	case $1 in
	sysctl) [[ ! -w ${2%%:*} ]] || echo "${2#*:}" >"${2%%:*}" ;;
	addr | route4 | route6) return 1 ;;
	rule4) ip -4 rule add pref "${2%%:*}" ${2#*:} ;;
	rule6) ip -6 rule add pref "${2%%:*}" ${2#*:} ;;
	esac 2>/dev/null
}

# --- what tests look at ---------------------------------------------------

# shown_profiles: every profile with its device and state. NetworkManager makes the one for lo anew at
# each start. One nmcli for all: on an emulated machine its start takes a fifth of a second.
shown_profiles() {
	local path paths=()
	while read -r path; do
		paths+=(path "$path")
	done < <(ask_nm Settings org.freedesktop.NetworkManager.Settings.ListConnections | sed -n 's/.*object path "\(.*\)"/\1/p')
	nmcli -t -f profile,GENERAL.DEVICES,GENERAL.STATE con show "${paths[@]}" | sed '/^connection.timestamp:/d' |
		awk -v RS= '!/\nconnection\.type:loopback\n/ { gsub(/\n/, "\1"); print }' | LC_ALL=C sort -t: -k3 | tr '\1' '\n'
}

# ask_nm OBJECT METHOD [ARG...]
ask_nm() {
	local object=$1
	shift
	dbus-send --system --print-reply --dest=org.freedesktop.NetworkManager "/org/freedesktop/NetworkManager${object:+/$object}" "$@"
}

# snapshot: on the host; must not change when a request is refused. No
# counters, no lifetimes, no time stamps; nor the values that a restart of
# NetworkManager or the host changes by itself: the name of the profile
# that stands for lo, addresses that the kernel makes up, and its numbers of
# other network namespaces.
snapshot() {
	echo "== profiles, devices and states"
	shown_profiles
	echo "== files"
	{
		find /etc/NetworkManager /etc/nmgre -printf '%p %M %u:%g %l\n'
		grep -r '' /etc/NetworkManager /etc/nmgre
	} 2>/dev/null | LC_ALL=C sort
	echo "== links, addresses, routes, rules and next hops"
	{
		printf '%s\n' link addr 'route show table all' rule nexthop | ip -4 -d -batch -
		printf '%s\n' addr 'route show table all' rule | ip -6 -d -batch -
	} | sed -E '/valid_lft/d; s/ permaddr [0-9a-f:]+//; s/ link-netnsid [0-9]+//; s/ expires [0-9]+sec//'
	echo "== nft"
	nft -s list ruleset
	echo "== sysctl"
	grep -rs --exclude=stable_secret . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf /proc/sys/net/ipv4/ip_forward \
		/proc/sys/net/ipv4/fib_multipath_hash_policy /proc/sys/net/ipv4/ip_no_pmtu_disc
}

diagnose() {
	echo "== $1: links"
	enter "$1" ip -d link
	echo "== $1: addresses"
	enter "$1" ip -br addr
	echo "== $1: routes"
	enter "$1" ip -4 route show table all
	enter "$1" ip -6 route
	enter "$1" ip rule
	has_nm "$1" || return 0
	echo "== $1: nft"
	enter "$1" nft list ruleset
	echo "== $1: profiles"
	enter "$1" nmcli -w 5 -f all con
	echo "== $1: NetworkManager's log"
	tail -n 30 "$state/$1/nm.log"
}

main() {
	local command=${1:-}
	shift
	case $command in
	up) up ;;
	more) more "$@" ;;
	less) less ;;
	hold) hold "$@" ;;
	inside) "$@" ;;
	in | nm | sshd | reboot | reset | snapshot | diagnose)
		is_host "${1:-}" || fail "no host named '${1:-}'; there are: ${all_hosts[*]}"
		;;&
	in)
		pid=$(pid_of "$1" pid) || fail "$1 is not up"
		shift
		exec nsenter -t "$pid" -n -m -u -w -- "$@"
		;;
	nm) nm_command "$@" ;;
	sshd) sshd_command "$@" ;;
	reboot) reboot_host "$1" ;;
	reset) reset_host "$1" ;;
	snapshot) on_host "$1" snapshot ;;
	diagnose) diagnose "$1" ;;
	*) fail "unknown command '$command'; see the top of this file" ;;
	esac
}

main "$@"
