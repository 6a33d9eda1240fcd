#!/bin/bash
# netplan refuses mode gretap for NetworkManager, which has that mode since version 1.12.
#
# Versions   netplan.io 0.106-2+deb12u1, NetworkManager 1.42.4 (Debian 12)
# Expected   the same modes by both: NetworkManager's ip-tunnel setting has gretap (mode 10).
# Seen       netplan: "gre1: GRETAP tunnel mode is not supported by NetworkManager", exit status 1;
#            nmcli writes that very profile: mode=10.
# Meaning    A gretap profile made by NetworkManager cannot go through netplan 0.106 as a tunnel.
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cd "$temp"
chmod 755 .
apt-get download -qq netplan.io=0.106-2+deb12u1 libnetplan0=0.106-2+deb12u1 \
	network-manager=1.42.4-1+deb12u1 libnm0=1.42.4-1+deb12u1 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
LD_LIBRARY_PATH=$(dirname "$(find "$temp/root" -name 'libnm.so.0')")
export LD_LIBRARY_PATH

mkdir -p host/etc/netplan
cat >host/etc/netplan/1.yaml <<'END'
network:
  version: 2
  renderer: NetworkManager
  tunnels:
    gre1:
      mode: gretap
      local: 192.0.2.1
      remote: 198.51.100.1
      addresses: [172.16.0.1/30]
END
chmod 600 host/etc/netplan/1.yaml
status=0
seen=$(root/usr/libexec/netplan/generate --root-dir "$temp/host" 2>&1) || status=$?
seen+=$'\nnetplan: status '$status
seen+=$'\n'$(root/usr/bin/nmcli --offline connection add type ip-tunnel ifname gre1 ip-tunnel.mode gretap \
	local 192.0.2.1 remote 198.51.100.1 | grep ^mode=)
expected="Error in network definition: gre1: GRETAP tunnel mode is not supported by NetworkManager
netplan: status 1
mode=10"
diff <(echo "$expected") <(echo "$seen") && echo "as described: $(root/usr/bin/nmcli --version), netplan 0.106"
