#!/bin/bash
# demo.sh: in the lab, two gateways join the LANs behind them with a GRE tunnel that nmgre makes at
# both ends, and prove it.
set -eu
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
share=$repo/build/demo-share

# On the machine: build the product, boot the lab, and run this script again inside it.
if [[ ${NMGRE_LAB:-} != 1 ]]; then
	mkdir -p "$share/bin"
	cd "$repo"
	CGO_ENABLED=0 go build -trimpath -o "$share/bin/nmgre" ./cmd/nmgre
	cp "${BASH_SOURCE[0]}" "$share/demo.sh"
	echo "booting the lab: linux1 and linux2 with a NetworkManager each, a router between them, lan1 and lan2 behind them"
	exec testdata/lab/lab.sh run --share "$share" -- /share/demo.sh </dev/null
fi

on() { # HOST COMMAND...: show a command as typed on that host, and run it there
	local host=$1
	shift
	printf '\n%s# %s\n' "$host" "$*"
	/lab/hosts.sh in "$host" "$@" 2>&1
}

on linux1 nmgre create --peer 100.0.2.100 --address 172.16.0.1/30 --route 10.10.2.0/24
on linux2 nmgre create --peer 100.0.1.100 --address 172.16.0.2/30 --route 10.10.1.0/24
on lan1 ping -n -c 3 10.10.2.100
on lan2 ping -n -c 3 10.10.1.100
on linux1 nmgre verify gre1 --all-checks
on linux2 nmgre verify gre1
on linux1 nmgre list
on linux1 nmcli connection show
printf '\nboth ends are verified, and the LANs reach each other\n'
