#!/bin/bash
# NetworkManager 1.42 refuses the flags of IPv6 tunnels for its GRE tunnels over IPv6.
#
# Version    NetworkManager 1.42.4-1+deb12u1 (Debian 12)
# Expected   ip-tunnel.flags are "valid only for IPv6 tunnels" (says libnm). ip6gre and ip6gretap
#            are such: the kernel has the encapsulation limit for them, too, and `ip link add type
#            ip6gre` has encaplimit none.
# Seen       ip6-ign-encap-limit is taken for the mode ip6ip6, and refused for ip6gre and
#            ip6gretap. NetworkManager takes it for these from 1.44 on.
# Meaning    Such a tunnel carries a destination option of 8 bytes in each packet, which some routers
#            drop, and no profile can switch it off: somebody has to do that to the link.
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cd "$temp"
chmod 755 .
apt-get download -qq network-manager=1.42.4-1+deb12u1 libnm0=1.42.4-1+deb12u1 libglib2.0-0=2.74.6-2+deb12u9 libreadline8=8.2-1.3 2>/dev/null
for package in *.deb; do dpkg -x "$package" tree; done
export LD_LIBRARY_PATH=$temp/tree/usr/lib/x86_64-linux-gnu:$temp/tree/lib/x86_64-linux-gnu
seen=
for mode in ip6ip6 ip6gre ip6gretap; do
	seen+="$mode: $(tree/usr/bin/nmcli --offline connection add type ip-tunnel ifname g0 con-name g0 mode $mode remote 2001:db8::1 local 2001:db8::2 \
		ip-tunnel.flags ip6-ign-encap-limit 2>&1 | grep -E '^(flags=|Error)' || true)"$'\n'
done
expected="ip6ip6: flags=1
ip6gre: Error: Error writing connection: ip-tunnel.flags: some flags are invalid for the select mode: ip6-ign-encap-limit
ip6gretap: Error: Error writing connection: ip-tunnel.flags: some flags are invalid for the select mode: ip6-ign-encap-limit
"
diff <(echo "$expected") <(echo "$seen") && echo "as described: NetworkManager 1.42.4"
