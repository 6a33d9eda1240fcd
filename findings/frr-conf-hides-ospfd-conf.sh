#!/bin/bash
# FRR's ospfd ignores ospfd.conf, without a word, where there is an frr.conf.
#
# Version    FRR 8.4.4-1.1~deb12u2 (Debian 12)
# Expected   ospfd(8) reads /etc/frr/ospfd.conf, and says so where it does not. With `no service
#            integrated-vtysh-config` in vtysh.conf each daemon has a file of its own.
# Seen       With ospfd.conf alone a wrong line in it is reported. With any frr.conf beside it, also
#            an empty one, the same ospfd.conf is not read, and ospfd reports nothing; what
#            vtysh.conf says does not matter.
# Meaning    Debian's package brings an frr.conf. Who writes ospfd.conf there has an ospfd without a
#            configuration: write into frr.conf, which vtysh -b hands to the daemons.
# Needs      root, or user namespaces: it works in namespaces of its own.
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cd "$temp"
chmod 755 .
apt-get download -qq frr=8.4.4-1.1~deb12u2 libyang2=2.1.30-2 libc-ares2=1.18.1-3 libjson-c5=0.16-2 2>/dev/null
for package in *.deb; do dpkg -x "$package" tree; done
export LD_LIBRARY_PATH=$temp/tree/usr/lib/x86_64-linux-gnu:$temp/tree/usr/lib/x86_64-linux-gnu/frr:$temp/tree/lib/x86_64-linux-gnu

cat >try.sh <<'END'
tree=$1
mount -t tmpfs none /etc
mount -t tmpfs none /run
mkdir /etc/frr /run/frr
echo 'root:x:0:0::/root:/bin/sh' >/etc/passwd
printf 'root:x:0:\nfrrvty:x:0:root\n' >/etc/group
try() { # ospfd -C only checks its configuration
	local said
	said=$("$tree"/usr/lib/frr/ospfd -u root -g root -C 2>&1 | sed 's/.*\] //')
	echo "$1: ${said:-no word}"
}
echo 'no such command' >/etc/frr/ospfd.conf
try "ospfd.conf alone"
: >/etc/frr/frr.conf
try "an empty frr.conf beside it"
echo 'no service integrated-vtysh-config' >/etc/frr/vtysh.conf
try "and vtysh.conf that wants single files"
END
seen=$(unshare --net --mount --map-root-user bash try.sh "$temp/tree")
seen+=$'\n'"the package has $(cd tree && ls etc/frr/frr.conf)"
expected='ospfd.conf alone: No such command on config line 1: no such command
an empty frr.conf beside it: no word
and vtysh.conf that wants single files: no word
the package has etc/frr/frr.conf'
diff <(echo "$expected") <(echo "$seen") && echo "as described: FRR 8.4.4"
