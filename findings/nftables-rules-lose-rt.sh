#!/bin/bash
# github.com/google/nftables reads back a rule without the expressions that it has written itself.
#
# Version    github.com/google/nftables v0.3.0
# Expected   GetRules returns the expressions of a rule that AddRule has added: rt, byteorder and
#            exthdr, which set the MSS of TCP to what the route's MTU allows. The library has all
#            three types. Or it fails, or has something in place of what it cannot read.
# Seen       Of the three only exthdr comes back, without an error: the rule seems to have two
#            expressions fewer. nft shows it whole: tcp option maxseg size set rt mtu
# Meaning    A rule that was read is not the rule. Who compares it with the wanted one always finds
#            a difference, and who writes it again writes another rule.
# Needs      root, or user namespaces: it works in a network namespace of its own.
set -euo pipefail

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT
cd "$temp"
cat >main.go <<'END'
package main

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

func main() {
	conn, err := nftables.New()
	if err != nil {
		panic(err)
	}
	table := conn.AddTable(&nftables.Table{Name: "try", Family: nftables.TableFamilyINet})
	chain := conn.AddChain(&nftables.Chain{Name: "clamp", Table: table})
	rule := conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
		&expr.Rt{Register: 1, Key: expr.RtTCPMSS},
		&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 2, Size: 2},
		&expr.Exthdr{SourceRegister: 1, Type: 2, Offset: 2, Len: 2, Op: expr.ExthdrOpTcpopt},
	}})
	if err := conn.Flush(); err != nil {
		panic(err)
	}
	rules, err := conn.GetRules(table, chain)
	fmt.Println("written:", kinds(rule.Exprs))
	fmt.Println("read:", kinds(rules[0].Exprs), "error:", err)
}

func kinds(exprs []expr.Any) (names []string) {
	for _, e := range exprs {
		names = append(names, fmt.Sprintf("%T", e))
	}
	return names
}
END
go mod init finding 2>/dev/null
go get github.com/google/nftables@v0.3.0 2>/dev/null
go build -o try .
seen=$(unshare --net --map-root-user ./try)
expected='written: [*expr.Rt *expr.Byteorder *expr.Exthdr]
read: [*expr.Exthdr] error: <nil>'
diff <(echo "$expected") <(echo "$seen") && echo "as described: google/nftables v0.3.0"
