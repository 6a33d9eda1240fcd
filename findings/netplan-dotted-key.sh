#!/bin/bash
# netplan writes a GRE key as a dotted quad into a profile that NetworkManager then refuses.
#
# Versions   netplan.io 0.106-2+deb12u1, NetworkManager 1.42.4 (Debian 12)
# Expected   netplan's documentation allows "an IPv4 address or a number" as the key of a GRE tunnel,
#            so with the renderer NetworkManager either the number reaches the profile, or netplan
#            refuses.
# Seen       `netplan generate` ends with 0. The profile has input-key=10.0.0.1 as it was typed.
#            NetworkManager knows decimal keys only:
#              ip-tunnel.input-key: '10.0.0.1' is not a valid tunnel key
#            so the tunnel does not exist, and only NetworkManager's journal says so.
# Meaning    Who writes a key for NetworkManager must convert it: 10.0.0.1 is 167772161.
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
      mode: gre
      local: 192.0.2.1
      remote: 198.51.100.1
      key: 10.0.0.1
      addresses: [172.16.0.1/30]
END
chmod 600 host/etc/netplan/1.yaml
root/usr/libexec/netplan/generate --root-dir "$temp/host"
profile=host/run/NetworkManager/system-connections/netplan-gre1.nmconnection
seen=$(grep key "$profile")
# nmcli reads the profile by NetworkManager's own library, and checks it.
if seen+=$'\n'$(root/usr/bin/nmcli --offline connection modify connection.id other <"$profile" 2>&1); then
	seen+=$'\naccepted'
fi
expected="input-key=10.0.0.1
output-key=10.0.0.1
Error: Error writing connection: ip-tunnel.input-key: '10.0.0.1' is not a valid tunnel key"
diff <(echo "$expected") <(echo "$seen") && echo "as described: $(root/usr/bin/nmcli --version), netplan 0.106"
