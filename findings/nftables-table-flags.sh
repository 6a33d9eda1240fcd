#!/bin/bash
# github.com/google/nftables reads a table's flags in the wrong byte order.
#
# Version    github.com/google/nftables v0.3.0 (nftables 1.0.6-2+deb12u2 makes the tables)
# Expected   ListTables returns the Flags of a dormant table as 1, NFT_TABLE_F_DORMANT of
#            linux/netfilter/nf_tables.h. The kernel sends them in network byte order.
# Seen       On a little-endian machine they are 0x1000000: `Flags&1` never sees that a table sleeps.
# Meaning    A table that has been put to sleep looks as if its rules were in force. Who looks for
#            the flag has to look for it in both byte orders.
# Needs      root, or user namespaces: it works in a network namespace of its own. A little-endian
#            machine.
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cd "$temp"
chmod 755 .
apt-get download -qq nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2 libnftnl11=1.2.4-2 libmnl0=1.0.4-3 libjansson4=2.14-2 libgmp10 libedit2 libbsd0 libmd0 libtinfo6 2>/dev/null
for package in *.deb; do dpkg -x "$package" tree; done
export LD_LIBRARY_PATH=$temp/tree/usr/lib/x86_64-linux-gnu:$temp/tree/lib/x86_64-linux-gnu

cat >main.go <<'END'
package main

import (
	"fmt"

	"github.com/google/nftables"
)

func main() {
	conn, err := nftables.New()
	if err != nil {
		panic(err)
	}
	tables, err := conn.ListTables()
	if err != nil {
		panic(err)
	}
	for _, t := range tables {
		fmt.Printf("%s: flags %#x\n", t.Name, t.Flags)
	}
}
END
go mod init finding 2>/dev/null
go get github.com/google/nftables@v0.3.0 2>/dev/null
go build -o list .
seen=$(unshare --net --map-root-user sh -ec 'tree/usr/sbin/nft "add table ip awake; add table ip asleep { flags dormant; }"; ./list')
expected='awake: flags 0x0
asleep: flags 0x1000000'
diff <(echo "$expected") <(echo "$seen") && echo "as described: google/nftables v0.3.0"
