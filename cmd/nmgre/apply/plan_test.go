package apply

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/cmd/nmgre/around"
	"nmgre/nm/document"
	"nmgre/routes"
	"nmgre/routes/fault"
)

const meshText = `hosts:
  paris: {outer: 192.0.2.1, networks: [10.1.0.0/24]}
  rome.example.org: {outer: 192.0.2.2, networks: [10.2.0.0/24]}
  oslo: {outer: gw.example.org}
pool: 172.31.0.0/16
key-pool: 1-65535
links:
  - full: all
  - {between: [paris, oslo], state: absent}
`

// run runs a command on a host, and returns its outputs.
func run(host *nmgre.Host, in string, args ...string) (out, errs string, err error) {
	var stdout, stderr bytes.Buffer
	a := App{
		Program: around.Program{In: strings.NewReader(in), Out: &stdout, Err: &stderr,
			WithHost: func(_ context.Context, do func(*nmgre.Host) error) error { return do(host) },
			Flags: func(cmd *cobra.Command, wait *time.Duration, asJSON *bool) {
				cmd.Flags().DurationVar(wait, "wait", time.Minute, "")
				cmd.Flags().BoolVar(asJSON, "json", false, "")
			},
			Check:   func(time.Duration) error { return nil },
			Confirm: func() time.Duration { return 0 },
			Begun:   func(err error) error { return err },
			Names:   func() routes.Names { return routes.Names{} },
		},
		Hostname: func() (string, error) { return "Rome", nil },
	}
	root := &cobra.Command{Use: "nmgre", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(a.Apply(), a.Export(), a.Plan())
	root.SetArgs(args)
	err = root.Execute()
	return stdout.String(), stderr.String(), err
}

func TestPlanOfLinks(t *testing.T) {
	out, errs, err := run(nil, meshText, "plan", "-f", "-")
	for _, word := range []string{"paris", "rome.example.org", "oslo", "absent", "172.31."} {
		if !strings.Contains(out, word) {
			t.Errorf("no %s in\n%s", word, out)
		}
	}
	if err != nil || strings.Count(out, "\n") != 4 || !strings.Contains(errs, "3 links between 3 hosts") {
		t.Errorf("%v\n%s%s", err, out, errs)
	}
}

func TestPlanOfOneEnd(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mesh.yaml")
	if err := os.WriteFile(file, []byte(meshText), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _, err := run(nil, "", "plan", "-f", file, "--end", "paris")
	if err != nil || !strings.Contains(out, "nmgre create --name gre-rome") || !strings.Contains(out, "--route 10.2.0.0/24") || !strings.HasSuffix(out, "nmgre delete gre-oslo\n") {
		t.Errorf("%v\n%s", err, out)
	}
	out, _, err = run(nil, "", "plan", "-f", file, "--end", "rome.example.org", "--json")
	if err != nil || !strings.Contains(out, `"peer": "gw.example.org"`) || !strings.Contains(out, `"far": "oslo"`) || !strings.Contains(out, "nmgre create --name gre-oslo --peer gw.example.org") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, _, err = run(nil, "", "plan", "-f", file, "--json"); err != nil || !strings.Contains(out, `"state": "absent"`) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestPlanRefuses(t *testing.T) {
	for _, c := range []struct{ text, want, hint string }{
		{meshText, "end: the document has no host \"pariss\"", "did you mean paris; or give --end NAME"},
		{"tunels: []", "line 1: the document has no field \"tunels\"", "did you mean tunnels"},
	} {
		_, _, err := run(nil, c.text, "plan", "-f", "-", "--end", "pariss")
		if !errors.Is(err, fault.ErrInvalid) || err.Error() != c.want || fault.Hints(err)[0] != c.hint {
			t.Errorf("%v, %q", err, fault.Hints(err))
		}
	}
	for _, args := range [][]string{{"plan"}, {"plan", "mesh.yaml"}, {"plan", "-f", "/no/such/file"}} {
		if _, _, err := run(nil, "", args...); !errors.Is(err, fault.ErrInvalid) || len(fault.Hints(err)) == 0 {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// A fault of one host's part is one of the whole plan, too, which says once of which host.
func TestPlanRefusesEnds(t *testing.T) {
	const hosts = "hosts:\n  paris: {outer: 192.0.2.1}\n  rome: {outer: \"2001:db8::2\"}\n  oslo: {outer: 192.0.2.3}\n"
	for text, want := range map[string]string{
		"links:\n  - full: all\n":                                           "host paris: addresses: line 6: the link between paris and rome has no inner addresses",
		"pool: 172.31.0.0/16\nlinks:\n  - full: all\n":                      "host paris: peer: line 7: 2001:db8::2 is an IPv6 address, and mode gre needs IPv4",
		"pool: 172.31.0.0/16\nlinks:\n  - {between: [paris, oslo]}\n":       "",
		"pool: 172.31.0.0/16\nlinks:\n  - {full: [paris, oslo], mtu: 60}\n": "mtu",
	} {
		_, _, err := run(nil, hosts+text, "plan", "-f", "-")
		if want == "" {
			if err != nil {
				t.Errorf("%v\n%s", err, text)
			}
			continue
		}
		if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), want) || len(fault.Hints(err)) == 0 {
			t.Errorf("%v, want %s\n%s", err, want, text)
			continue
		}
		seen := make(map[string]bool)
		for line := range strings.SplitSeq(err.Error(), "\n") {
			_, rest, _ := strings.Cut(line, ": ")
			if seen[rest] {
				t.Errorf("told twice: %s", line)
			}
			seen[rest] = true
		}
	}
}

// The document that the help shows is right: each of its two.
func TestExample(t *testing.T) {
	one, two, found := strings.Cut(Example, "\n\n")
	if !found {
		t.Fatal("the example has one document")
	}
	for _, text := range []string{one, two} {
		d, err := document.Parse(text, document.Options{})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		for _, host := range d.Hosts() {
			if _, err := d.Tunnels(host); err != nil {
				t.Error(err)
			}
		}
	}
}

// This host's name is found among the document's, with or without a domain.
func TestHostOf(t *testing.T) {
	d, err := document.Parse(meshText, document.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for own, want := range map[string]string{"paris": "paris", "PARIS.example.org": "paris", "rome": "rome.example.org", "rome.example.org": "rome.example.org", "madrid": "madrid"} {
		a := App{Hostname: func() (string, error) { return own, nil }}
		if got, err := a.hostOf(d, ""); err != nil || got != want {
			t.Errorf("%s: %s, %v", own, got, err)
		}
		if got, err := a.hostOf(d, "oslo"); err != nil || got != "oslo" {
			t.Errorf("%s, %v", got, err)
		}
	}
	a := App{Hostname: func() (string, error) { return "", errors.New("none") }}
	if _, err := a.hostOf(d, ""); !errors.Is(err, fault.ErrInvalid) {
		t.Error(err)
	}
}
