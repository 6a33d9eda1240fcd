package fake

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/testdata/want"
)

// ReadTunnel reads a fixture into a new tunnel with the defaults. Each line has a field, named as
// the flag of `nmgre create`, and its value. Lines that begin with # are remarks.
func ReadTunnel(text string) (nm.Tunnel, error) {
	t := nm.NewTunnel()
	var errs []error
	for line := range strings.Lines(text) {
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if strings.HasPrefix(field, "#") || field == "" {
			continue
		}
		if quoted, err := strconv.Unquote(value); err == nil {
			value = quoted
		}
		if err := SetField(&t, field, value); err != nil {
			errs = append(errs, err)
		}
	}
	return t, errors.Join(errs...)
}

// SetField sets or adds one field. The program's own parsers read the value if there are any.
func SetField(t *nm.Tunnel, field, value string) (err error) {
	switch field {
	case "name":
		t.Name = value
	case "mode":
		if value == "none" {
			t.Mode = 0
			return nil
		}
		t.Mode, err = gre.ParseMode(value)
	case "peer":
		t.Remote = want.Addr(value)
	case "local":
		t.Local = want.Addr(value)
	case "parent":
		t.Parent = value
	case "address":
		t.Addresses = append(t.Addresses, want.CIDR(value))
	case "peer-address":
		t.SetPeers(append(t.Peers(), want.Addr(value)))
	case "route":
		var r routes.Route
		r, err = routes.Parse(value)
		t.Routes = append(t.Routes, r)
	case "key", "input-key", "output-key":
		err = setKey(t, field, value)
	case "no-pmtud":
		t.NoPMTUD = true
	case "no-autoconnect":
		t.Autoconnect = false
	case "zone":
		t.Zone = value
	case "peer-name":
		t.PeerName = value
	case "follow":
		t.Follow = true
	case "no-probe":
		t.NoProbe = true
	default:
		err = setNumber(t, field, value)
	}
	return err
}

// setKey sets one key or both.
func setKey(t *nm.Tunnel, field, value string) error {
	k, err := gre.ParseKey(value)
	if field != "output-key" {
		t.InputKey = &k
	}
	if field != "input-key" {
		t.OutputKey = &k
	}
	return err
}

// setNumber sets a field that is a number.
func setNumber(t *nm.Tunnel, field, value string) error {
	n, err := strconv.ParseUint(value, 0, 32)
	if err != nil {
		return err
	}
	switch field {
	case "ttl":
		t.TTL = uint8(n)
	case "tos":
		t.TOS = uint8(n)
	case "mtu":
		t.MTU = uint32(n)
	case "encap-limit":
		t.EncapLimit = uint8(n)
	case "flow-label":
		t.FlowLabel = uint32(n)
	case "flags":
		t.Flags = gre.Flags(n)
	default:
		return fmt.Errorf("the fixture has an unknown field %q", field)
	}
	return nil
}

// ReportText prints a report, with a few lines for each check.
func ReportText(r verify.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", r.Tunnel, r.Verdict)
	for _, c := range r.Checks {
		b.WriteString(CheckText(c))
	}
	return b.String()
}

// CheckText prints a check.
func CheckText(c verify.Check) string {
	text := fmt.Sprintf("%s %s (%s): %s\n", c.Status, c.ID, c.Certainty, c.Summary)
	if c.Evidence != "" {
		text += "  seen: " + c.Evidence + "\n"
	}
	if c.Hint != "" {
		text += "  hint: " + c.Hint + "\n"
	}
	return text
}

// Simple returns a tunnel with a route of each owner.
func Simple(t testing.TB) nm.Tunnel {
	t.Helper()
	tunnel := nm.NewTunnel()
	tunnel.Name, tunnel.Remote, tunnel.Addresses = "gre1", want.Addr("100.0.2.100"), want.CIDRs("172.16.0.1/30")
	tunnel.Routes = []routes.Route{routes.MustParse("10.10.2.0/24"), routes.MustParse("10.20.0.0/16 nexthop via 172.16.0.2 nexthop via 100.0.1.1 dev eth0")}
	return tunnel
}

// Create plans and makes a tunnel.
func Create(ctx context.Context, h *nmgre.Host, want nm.Tunnel) (nmgre.Created, error) {
	plan, err := h.Plan(ctx, want)
	if err != nil {
		return nmgre.Created{}, err
	}
	return h.Create(ctx, plan, nmgre.CreateOptions{})
}

// MustCreate makes a tunnel. The test ends if that fails.
func MustCreate(t testing.TB, w *World, want nm.Tunnel) nmgre.Created {
	t.Helper()
	created, err := Create(t.Context(), w.Start().Host(), want)
	if err != nil {
		t.Fatalf("create %s: %v", want.Name, err)
	}
	return created
}

// ErrBroken is the error of calls that a test makes fail.
var ErrBroken = errors.New("broken")
