package kernel

import (
	"context"
	"errors"
	"net/netip"
	"testing"
)

// counting is a kernel that counts its questions; the first answer about links is an error.
type counting struct {
	Kernel
	links, lookups int
}

var errFirst = errors.New("first")

func (c *counting) Links(context.Context) ([]Link, error) {
	if c.links++; c.links == 1 {
		return nil, errFirst
	}
	return []Link{{Name: "eth0"}}, nil
}

func (c *counting) Lookup(_ context.Context, q Query) (Hop, error) {
	c.lookups++
	if q.Dev != "" {
		return Hop{}, errFirst
	}
	return Hop{Dev: "eth0"}, nil
}

// Each question is asked once; an error about the links is no answer, one about a way is.
func TestOnce(t *testing.T) {
	c := &counting{}
	k := Once(c)
	if _, err := k.Links(t.Context()); !errors.Is(err, errFirst) {
		t.Error(err)
	}
	a := netip.MustParseAddr("192.0.2.1")
	for range 3 {
		if links, err := k.Links(t.Context()); err != nil || len(links) != 1 {
			t.Errorf("%v, %v", links, err)
		}
		if hop, err := k.Lookup(t.Context(), Query{To: a}); err != nil || hop.Dev != "eth0" {
			t.Errorf("%v, %v", hop, err)
		}
		if _, err := k.Lookup(t.Context(), Query{To: a, Dev: "eth1"}); !errors.Is(err, errFirst) {
			t.Error(err)
		}
	}
	if c.links != 2 || c.lookups != 2 {
		t.Errorf("the links were asked for %d times, ways %d times", c.links, c.lookups)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Links(ended); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
