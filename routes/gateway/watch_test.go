package gateway

import (
	"context"
	"testing"
	"time"

	"github.com/google/nftables"

	"nmgre/routes/keep"
)

// Who watches hears of rules that were removed, by a flush or one by one, and of others' tables
// nothing. The watch ends with its context.
func TestWatchRules(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	rules := []keep.Rule{snatRule(t, "172.16.0.0/30", "10.10.2.0/24=10.10.2.1"), {UUID: uuid, Dev: "gre1", ClampMSS: true}}
	s.setRules(true, rules...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var removed <-chan struct{}
	if err := s.gw.Do(func() (err error) { removed, err = s.g.WatchRules(ctx); return err }); err != nil {
		t.Fatal(err)
	}
	others := &nftables.Table{Name: "others", Family: nftables.TableFamilyIPv4}
	s.gw.nft(func(c *nftables.Conn) { c.AddTable(others) })
	s.gw.nft(func(c *nftables.Conn) { c.DelTable(others) })
	select {
	case <-removed:
		t.Error("others' table was taken for nmgre's")
	case <-time.After(200 * time.Millisecond):
	}
	for name, remove := range map[string]func(c *nftables.Conn){
		"a flush": func(c *nftables.Conn) { c.FlushRuleset() },
		"a table": func(c *nftables.Conn) { c.DelTable(&nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}) },
		"the rules of a chain": func(c *nftables.Conn) {
			table := &nftables.Table{Name: tableName, Family: nftables.TableFamilyIPv4}
			c.FlushChain(&nftables.Chain{Name: snat4.name, Table: table})
		},
	} {
		s.gw.nft(remove)
		select {
		case <-removed:
		case <-time.After(20 * time.Second):
			t.Errorf("%s: nothing is heard", name)
		}
		s.setRules(true, rules...)
		for quiet := false; !quiet; { // setting them removes the old ones
			select {
			case <-removed:
			case <-time.After(200 * time.Millisecond):
				quiet = true
			}
		}
	}
	cancel()
	for range removed { // until it is closed
	}
}
