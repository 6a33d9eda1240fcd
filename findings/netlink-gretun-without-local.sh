#!/bin/bash
# github.com/vishvananda/netlink makes an IPv6 tunnel of a GRE tunnel whose far end is IPv4.
#
# Version    github.com/vishvananda/netlink v1.3.1
# Expected   A Gretun with an IPv4 Remote is a link of the kind "gre", with or without Local: an
#            absent local address stands for any in the kernel (IFLA_GRE_LOCAL, 0.0.0.0).
# Seen       The kind follows from Local alone. Without Local it is "ip6gre", which LinkAdd sends;
#            with Local 0.0.0.0, which means the same, it is "gre".
# Meaning    Who wants "any local address" must write net.IPv4zero.
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cd "$temp"
cat >main.go <<'END'
package main

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
)

func main() {
	remote := net.IPv4(192, 0, 2, 1)
	fmt.Println("no local:", (&netlink.Gretun{Remote: remote}).Type())
	fmt.Println("local 0.0.0.0:", (&netlink.Gretun{Remote: remote, Local: net.IPv4zero}).Type())
}
END
go mod init finding 2>/dev/null
go get github.com/vishvananda/netlink@v1.3.1 2>/dev/null
seen=$(go run .)
expected='no local: ip6gre
local 0.0.0.0: gre'
diff <(echo "$expected") <(echo "$seen") && echo "as described: netlink v1.3.1"
