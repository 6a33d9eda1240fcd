package gateway

import (
	"testing"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"nmgre/routes/keep"
	"nmgre/testdata/want"
)

// The rules that nmgre sets, as nftables' bytes, in the machine's own order.
func TestGoldenBytes(t *testing.T) {
	messages := make(map[string][]byte)
	add := func(name string, family byte, exprs []expr.Any) {
		for _, e := range exprs {
			b, err := expr.Marshal(family, e)
			if err != nil {
				t.Fatalf("%s: %T: %v", name, e, err)
			}
			messages[name] = append(messages[name], b...)
		}
	}
	snat := func(inner, dst, source string) (r keep.Rule) {
		r.Dev, r.Inner, r.SNAT.Dst = "gre1", want.CIDR(inner), want.CIDR(dst)
		if source != "" {
			r.SNAT.Source = want.Addr(source)
		}
		return r
	}
	add("an address", unix.NFPROTO_IPV4, snatExprs(snat("172.16.0.0/30", "10.10.2.0/24", "10.10.2.1")))
	add("masquerade IPv6", unix.NFPROTO_IPV6, snatExprs(snat("fd00:9::/64", "fd00:2::/61", "")))
	add("clamp out", unix.NFPROTO_IPV4, clampExprs(expr.MetaKeyOIFNAME, "gre1"))
	want.GoldenBytes(t, "rules", messages)
}
