#!/bin/bash
# One key, two tunnels: iproute2 reads "010" as 8, NetworkManager keeps it as a decimal number.
#
# Versions   iproute2 6.1.0-3, NetworkManager 1.42.4-1+deb12u1 (Debian 12), strace of the machine
# Expected   The far ends of a tunnel are set up alike by `ip link add ... type gre key 010` and by
#            nmcli's `ip-tunnel.input-key 010`, or one of them refuses the form.
# Seen       ip sends the key 8 (IFLA_GRE_IKEY 00 00 00 08): a leading zero means octal. nmcli takes
#            the same text without a word, and its library documents a number of base 10. It refuses
#            0x10, which ip takes, too.
# Meaning    A key with a leading zero must be asked back, or be shown as the number that it is.
# Needs      root, or user namespaces: ip runs in a network namespace of its own. Whether the kernel
#            there has GRE makes no difference: what ip sends is looked at.
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cd "$temp"
chmod 755 .
apt-get download -qq iproute2=6.1.0-3 network-manager=1.42.4-1+deb12u1 libnm0=1.42.4-1+deb12u1 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
lib=$(dirname "$(find "$temp/root" -name 'libnm.so.0')")

unshare --net --map-root-user strace -o trace -e trace=sendmsg -e write=3 -xx -s 4096 \
	root/bin/ip link add dev gre9 type gre remote 192.0.2.1 key 010 2>/dev/null || true
# struct rtattr {length 8, type}, then the key. IFLA_GRE_IKEY is 4, IFLA_GRE_OKEY is 5 (linux/if_tunnel.h).
bytes=$(grep -v '^ |' trace | tr -d '\\\n' | sed 's/x//g')
seen=
for type in 04 05; do
	seen+="key of attribute $type: $(grep -oE "0800${type}00000000[0-9a-f]{2}" <<<"$bytes" | tail -c 3)"$'\n'
done
nmcli() { LD_LIBRARY_PATH=$lib root/usr/bin/nmcli --offline connection add type ip-tunnel ifname gre9 ip-tunnel.mode gre remote 192.0.2.1 "$@" 2>&1 | grep input-key || true; }
seen+=$(nmcli ip-tunnel.input-key 010)$'\n'$(nmcli ip-tunnel.input-key 0x10)
expected="key of attribute 04: 08
key of attribute 05: 08
input-key=010
Error: Error writing connection: ip-tunnel.input-key: '0x10' is not a valid tunnel key"
diff <(echo "$expected") <(echo "$seen") && echo "as described: iproute2 6.1.0, NetworkManager 1.42.4"
