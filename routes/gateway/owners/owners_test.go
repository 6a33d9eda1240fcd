package owners

import (
	"slices"
	"testing"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"nmgre/routes/fault"

	"errors"
)

// Tables are known by their names, those of iptables also by their chains. Others are counted, and
// not named.
func TestOf(t *testing.T) {
	const v4, v6, inet = nftables.TableFamilyIPv4, nftables.TableFamilyIPv6, nftables.TableFamilyINet
	for name, c := range map[string]struct {
		table    string
		family   nftables.TableFamily
		chains   []string
		programs []string
		others   int
	}{
		"firewalld":        {"firewalld", inet, nil, []string{"firewalld"}, 0},
		"nmgre":            {"nmgre", v4, nil, []string{"nmgre"}, 0},
		"shared":           {"nm-shared-eth0", v4, nil, []string{"NetworkManager"}, 0},
		"iptables":         {"filter", v4, []string{"INPUT", "FORWARD"}, []string{"iptables"}, 0},
		"ufw and docker":   {"filter", v6, []string{"INPUT", "ufw6-user-input", "DOCKER-USER"}, []string{"docker", "iptables", "ufw"}, 0},
		"nft's filter":     {"filter", inet, []string{"input"}, nil, 1},
		"nft's own filter": {"filter", v4, []string{"input", "forward"}, nil, 1},
		"a customer's":     {"acme", inet, []string{"ufw-x"}, nil, 1},
	} {
		table := &nftables.Table{Name: c.table, Family: c.family}
		other := &nftables.Table{Name: c.table, Family: nftables.TableFamilyBridge}
		chains := []*nftables.Chain{{Name: "LIBVIRT_INP", Table: other}, {Name: "lost"}}
		for _, chain := range c.chains {
			chains = append(chains, &nftables.Chain{Name: chain, Table: table})
		}
		got := of([]*nftables.Table{table}, chains)
		if !slices.Equal(got.Programs, c.programs) || got.Others != c.others {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := of(nil, nil); got.Others != 0 || got.Programs != nil {
		t.Errorf("%+v", got)
	}
}

// A refusal and a kernel without nftables are told apart from other errors.
func TestFailed(t *testing.T) {
	if err := failed(unix.EPERM); !errors.Is(err, fault.ErrNotPermitted) {
		t.Error(err)
	}
	if err := failed(unix.EPROTONOSUPPORT); !errors.Is(err, fault.ErrUnsupported) {
		t.Error(err)
	}
	if err := failed(unix.ENOMEM); errors.Is(err, fault.ErrNotPermitted) || errors.Is(err, fault.ErrUnsupported) {
		t.Error(err)
	}
}
