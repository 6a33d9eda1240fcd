#!/bin/bash
# NetworkManager 1.42 refuses routes on a device that has no address of that family.
#
# Version    NetworkManager 1.42.4-1+deb12u1 (Debian 12)
# Expected   A profile with ipv4.method manual and ipv4.routes, but no address, is one for a device
#            that only routes: the kernel takes `ip route add 10.0.0.0/8 dev d0` on a device without
#            an address, as on an unnumbered link.
# Seen       ipv4.addresses: this property cannot be empty for 'method=manual'. With an address the
#            same profile is taken. NetworkManager takes it from 1.46 on.
# Meaning    An unnumbered tunnel needs an address in its profile all the same, such as the loopback's
#            or another device's as a /32.
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cd "$temp"
chmod 755 .
apt-get download -qq network-manager=1.42.4-1+deb12u1 libnm0=1.42.4-1+deb12u1 libglib2.0-0=2.74.6-2+deb12u9 libreadline8=8.2-1.3 2>/dev/null
for package in *.deb; do dpkg -x "$package" tree; done
export LD_LIBRARY_PATH=$temp/tree/usr/lib/x86_64-linux-gnu:$temp/tree/lib/x86_64-linux-gnu
add() { tree/usr/bin/nmcli --offline connection add type dummy ifname d0 con-name d0 ipv6.method disabled ipv4.method manual ipv4.routes 10.0.0.0/8 "$@" 2>&1; }
seen="no address: $(add || true)
an address: $(add ipv4.addresses 192.0.2.1/32 | grep ^route1)"
expected="no address: Error: Error writing connection: ipv4.addresses: this property cannot be empty for 'method=manual'
an address: route1=10.0.0.0/8"
diff <(echo "$expected") <(echo "$seen") && echo "as described: NetworkManager 1.42.4"
