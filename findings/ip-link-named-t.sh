#!/bin/bash
# ip takes the name of an interface for one of its own words: "ip link set t up".
#
# Versions   iproute2 6.1.0-3 (Debian 12)
# Expected   `ip link set NAME up`, where the word "dev" may be left out, sets the link NAME.
# Seen       For a link named "t" the name is read as an abbreviation of "txqueuelen":
#              Error: argument "up" is wrong: Invalid "txqueuelen" value
#            With the word in front, `ip link set dev t up`, the same link comes up.
# Meaning    A command that is printed for any name needs the word "dev".
# Needs      root, or user namespaces: it works in a network namespace of its own.
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cd "$temp"
chmod 755 .
apt-get download -qq iproute2=6.1.0-3 2>/dev/null
dpkg -x iproute2_*.deb tree

cat >try.sh <<'END'
ip=$1/tree/bin/ip
"$ip" link add name t type veth peer name other
"$ip" link set t up 2>&1 || echo "status $?"
"$ip" link set dev t up && echo "with dev: up"
END
seen=$(unshare --net --map-root-user bash try.sh "$temp")
expected='Error: argument "up" is wrong: Invalid "txqueuelen" value

status 255
with dev: up'
diff <(echo "$expected") <(echo "$seen") && echo "as described: $(tree/bin/ip -V)"
