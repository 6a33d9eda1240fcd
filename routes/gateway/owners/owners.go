// Package owners tells whose the tables of nftables are, by the names that programs give them.
//
// Begin at [Read].
package owners

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
)

// Tables says whose tables there are.
type Tables struct {
	Programs []string // sorted, each once
	Others   int      // how many tables are nobody's that is known
}

// Read reads the tables of this host. It fails with ErrNotPermitted without root, and with
// ErrUnsupported where the kernel has no nftables. The names of tables that are nobody's stay here:
// people name them after whom they are for.
func Read(ctx context.Context) (Tables, error) {
	conn, err := nftables.New()
	if err != nil {
		return Tables{}, failed(err)
	}
	tables, err := conn.ListTables()
	if err != nil {
		return Tables{}, failed(err)
	}
	chains, err := conn.ListChains()
	if err != nil {
		return Tables{}, failed(err)
	}
	return of(tables, chains), ctx.Err()
}

func failed(err error) error {
	const attempt = "read the tables of nftables"
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return &fault.Error{Kind: fault.ErrNotPermitted, What: attempt, Hint: fault.HintRoot, Err: err}
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ECONNREFUSED):
		return &fault.Error{Kind: fault.ErrUnsupported, What: attempt, Err: err}
	}
	return &fault.Error{What: attempt, Err: err}
}

func of(tables []*nftables.Table, chains []*nftables.Chain) (t Tables) {
	for _, table := range tables {
		var names []string
		for _, c := range chains {
			if c.Table != nil && c.Table.Name == table.Name && c.Table.Family == table.Family {
				names = append(names, c.Name)
			}
		}
		found := programs(table.Name, table.Family, names)
		if len(found) == 0 {
			t.Others++
		}
		t.Programs = append(t.Programs, found...)
	}
	slices.Sort(t.Programs)
	t.Programs = slices.Compact(t.Programs)
	return t
}

// byTable has the programs by the beginning of the names of their tables.
var byTable = []struct{ begin, program string }{
	{"nmgre", "nmgre"}, {"firewalld", "firewalld"}, {"docker-bridges", "docker"}, {"libvirt_network", "libvirt"}, {"netavark", "podman"},
	{"nm-shared-", "NetworkManager"}, {"nm-sock", "NetworkManager"}, {"kube-proxy", "kubernetes"}, {"cali", "calico"}, {"f2b-", "fail2ban"}, {"crowdsec", "crowdsec"}, {"incus", "incus"},
	{"lxd", "lxd"}, {"lxc", "lxc"}, {"io.systemd.nat", "systemd"}, {"wg-quick-", "wg-quick"}, {"miniupnpd", "miniupnpd"}, {"fw4", "openwrt"},
}

// byChain has the programs that keep their chains in the tables of iptables.
var byChain = []struct{ begin, program string }{
	{"ufw-", "ufw"}, {"ufw6-", "ufw"}, {"DOCKER", "docker"}, {"LIBVIRT_", "libvirt"}, {"KUBE-", "kubernetes"}, {"cali-", "calico"}, {"f2b-", "fail2ban"}, {"FWD_", "firewalld"},
}

// iptablesTables are the tables of iptables-nft.
var iptablesTables = []string{"filter", "nat", "mangle", "raw", "security"}

// programs returns whose a table is; nothing if nobody is known.
func programs(table string, family nftables.TableFamily, chains []string) (list []string) {
	for _, o := range byTable {
		if strings.HasPrefix(table, o.begin) {
			return []string{o.program}
		}
	}
	ofIPTables := (family == nftables.TableFamilyIPv4 || family == nftables.TableFamilyIPv6) && slices.Contains(iptablesTables, table)
	if !ofIPTables || slices.ContainsFunc(chains, func(c string) bool {
		return strings.ToUpper(c) != c && !strings.Contains(c, "-") && !strings.Contains(c, "_")
	}) {
		return nil // nft's own example has such a table, with chains in lower case
	}
	for _, c := range chains {
		for _, o := range byChain {
			if strings.HasPrefix(c, o.begin) && !slices.Contains(list, o.program) {
				list = append(list, o.program)
			}
		}
	}
	return append(list, "iptables")
}
