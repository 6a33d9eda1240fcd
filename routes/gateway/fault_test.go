package gateway

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// With a /proc/sys that is read only, as in many containers, forwarding stays as it is, and the
// error says why.
func TestForwardingReadOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	before := s.sysctls("nothing")
	err := s.gw.Do(func() error {
		return errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount("/proc/sys", "/proc/sys", "", unix.MS_BIND, ""), unix.Mount("", "/proc/sys", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{true, false} {
		err := s.setForwarding("gre1", on)
		if !errors.Is(err, fault.ErrNotPermitted) || !strings.Contains(strings.Join(fault.Hints(err), " "), "/proc/sys may be read-only") {
			t.Errorf("%v: %v", on, err)
		}
	}
	if on, err := s.forwarding("gre1"); err != nil || !on {
		t.Errorf("%v, %v", on, err)
	}
	if after := s.sysctls("nothing"); after != before {
		t.Errorf("the settings were\n%sand are\n%s", before, after)
	}
}

// firewalldTable is the one that firewalld removes and makes anew when it is restarted.
const firewalldTable = "firewalld"

// firewalld is restarted: it removes its own table and makes it anew. nmgre's rules stay, and stay
// in one piece.
func TestFirewalldRestarted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	rules := []keep.Rule{snatRule(t, "172.16.0.0/30", "10.10.2.0/24=10.10.2.1"), {UUID: uuid, Dev: "gre1", ClampMSS: true}}
	s.gw.load("firewalld-zones")
	s.setRules(true, rules...)
	for range 2 {
		s.gw.nft(func(c *nftables.Conn) {
			c.DelTable(&nftables.Table{Name: firewalldTable, Family: nftables.TableFamilyINet})
		})
		if missing := s.missing(rules...); len(missing) > 0 {
			t.Errorf("while firewalld is away: missing %v", missing)
		}
		s.gw.load("firewalld-zones")
		if missing := s.missing(rules...); len(missing) > 0 {
			t.Errorf("when firewalld is back: missing %v", missing)
		}
		s.setRules(false, rules...)
	}
}

// Another program flushes the whole ruleset, as "nft flush ruleset" and nftables.service do. All
// rules are missing then, and one call sets them again.
func TestRulesetFlushed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	rules := []keep.Rule{snatRule(t, "172.16.0.0/30", "10.10.2.0/24=10.10.2.1"), {UUID: uuid, Dev: "gre1", ClampMSS: true}}
	s.setRules(true, rules...)
	s.gw.nft(func(c *nftables.Conn) { c.FlushRuleset() })
	if missing := s.missing(rules...); len(missing) != len(rules) {
		t.Errorf("after the flush: missing %v", missing)
	}
	s.setRules(true, rules...)
	if missing := s.missing(rules...); len(missing) > 0 {
		t.Errorf("set again: missing %v", missing)
	}
}

// A kernel without a part of nftables, such as nft_nat, answers with one of these errors.
func TestKernelWithoutNAT(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENOENT, unix.EOPNOTSUPP, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT} {
		err := failed("set rules", errno)
		if !errors.Is(err, fault.ErrUnsupported) || !strings.Contains(strings.Join(fault.Hints(err), " "), "nft_chain_nat") {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

// A kernel that refuses one kind of rules, here because of a comment that is too long, has the
// other kinds all the same. The old rules of the refused kind are gone.
func TestKernelRefusesAKind(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	snat, clamp := snatRule(t, "172.16.0.0/30", "10.10.2.0/24=10.10.2.1"), keep.Rule{UUID: uuid, Dev: "gre1", ClampMSS: true}
	bad := clamp
	bad.UUID = strings.Repeat("x", 248)
	s.setRules(true, clamp)
	for _, rules := range [][]keep.Rule{{bad, snat}, {bad}} {
		var changed bool
		err := s.gw.Do(func() (err error) { changed, err = s.g.SetRules(t.Context(), rules); return err })
		var refused keep.RefusedRules
		if !errors.As(err, &refused) || len(refused) != 1 || refused[0].Index != 0 || !changed {
			t.Errorf("changed %v, %v", changed, err)
		}
		if missing := s.missing(snat, clamp); len(missing) != 3-len(rules) {
			t.Errorf("missing %v", missing)
		}
	}
}
