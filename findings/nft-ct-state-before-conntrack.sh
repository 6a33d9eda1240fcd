#!/bin/bash
# nft: "ct state" in a chain before conntrack's own says "invalid" of every packet.
#
# Versions   nftables 1.0.6-2+deb12u2 (Debian 12), Linux 6.18
# Expected   In a chain whose priority is below -200, where conntrack has not seen the packet yet,
#            `ct state` matches nothing, or "untracked".
# Seen       It matches "invalid", for a packet that conntrack calls "new" a moment later:
#              before -200: invalid 1, untracked 0, new 0
#              after -200:  invalid 0, untracked 0, new 1
# Meaning    `ct state invalid drop`, moved from a filter chain (priority 0) to one of the priority
#            raw (-300), drops everything, GRE among it. Whoever reads a ruleset to tell a packet's
#            fate has to look at the chain's priority first.
# Needs      root, or user namespaces: it works in a network namespace of its own.
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cd "$temp"
chmod 755 .
apt-get download -qq nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2 libnftnl11=1.2.4-2 libmnl0=1.0.4-3 libjansson4=2.14-2 libgmp10 libedit2 libbsd0 libmd0 libtinfo6 2>/dev/null
for package in *.deb; do dpkg -x "$package" tree; done
export LD_LIBRARY_PATH=$temp/tree/usr/lib/x86_64-linux-gnu:$temp/tree/lib/x86_64-linux-gnu

cat >rules.nft <<'END'
table ip try {
	counter early_invalid {}
	counter early_untracked {}
	counter early_new {}
	counter late_invalid {}
	counter late_untracked {}
	counter late_new {}
	chain early {
		type filter hook output priority -300
		udp dport 9 ct state invalid counter name early_invalid
		udp dport 9 ct state untracked counter name early_untracked
		udp dport 9 ct state new counter name early_new
	}
	chain late {
		type filter hook output priority 0
		udp dport 9 ct state invalid counter name late_invalid
		udp dport 9 ct state untracked counter name late_untracked
		udp dport 9 ct state new counter name late_new
	}
}
END
cat >try.sh <<'END'
nft=$1/tree/usr/sbin/nft
"$nft" -f "$1/rules.nft"
ip link set dev lo up
echo hello >/dev/udp/127.0.0.1/9
count() { "$nft" list counter ip try "$1" | sed -n 's/.*packets \([0-9]*\) .*/\1/p'; }
echo "before -200: invalid $(count early_invalid), untracked $(count early_untracked), new $(count early_new)"
echo "after -200:  invalid $(count late_invalid), untracked $(count late_untracked), new $(count late_new)"
END
seen=$(unshare --net --map-root-user bash try.sh "$temp")
expected='before -200: invalid 1, untracked 0, new 0
after -200:  invalid 0, untracked 0, new 1'
diff <(echo "$expected") <(echo "$seen") && echo "as described: $(tree/usr/sbin/nft --version)"
