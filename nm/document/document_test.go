package document

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares a text with a file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s is not up to date, see the difference with -update:\n%s", file, got)
	}
}

// cases splits a file at the lines that begin with "## ".
func cases(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, part := range strings.Split("\n"+string(text), "\n## ")[1:] {
		name, body, _ := strings.Cut(part, "\n")
		if _, twice := all[name]; twice {
			t.Fatalf("%s: %s stands twice", file, name)
		}
		all[name] = body + "\n"
	}
	return all
}

// order returns the names of the cases of a file in its order.
func order(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "## "); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

// messages writes errors and hints as a command prints them.
func messages(err error) string {
	var b strings.Builder
	for _, one := range fault.Split(err) {
		fmt.Fprintf(&b, "nmgre: %s\n", one)
		for _, hint := range fault.Hints(one) {
			fmt.Fprintf(&b, "hint: %s\n", hint)
		}
	}
	return b.String()
}

// everyEnd returns the tunnels of each host of a document.
func everyEnd(d *Document) (map[string][]Tunnel, error) {
	all := make(map[string][]Tunnel)
	for _, host := range append([]string{""}, d.Hosts()...) {
		if host == "" && len(d.Hosts()) > 0 {
			continue
		}
		tunnels, err := d.Tunnels(host)
		if err != nil {
			return nil, err
		}
		all[host] = tunnels
	}
	return all, nil
}

// Each wrong document is refused, with the line, the reason and the right form.
func TestWrongDocuments(t *testing.T) {
	all := cases(t, "testdata/wrong.yaml")
	if len(all) < 40 {
		t.Errorf("there are %d wrong documents", len(all))
	}
	var b strings.Builder
	for _, name := range order(t, "testdata/wrong.yaml") {
		d, err := Parse(all[name], Options{})
		if err == nil {
			_, err = everyEnd(d)
		}
		if err == nil {
			t.Errorf("%s is taken", name)
		}
		fmt.Fprintf(&b, "## %s\n%s", name, messages(err))
	}
	golden(t, "testdata/wrong.txt", b.String())
}

// Each right document is taken, and means the tunnels of the golden file.
func TestRightDocuments(t *testing.T) {
	all := cases(t, "testdata/right.yaml")
	var b strings.Builder
	for _, name := range order(t, "testdata/right.yaml") {
		d, err := Parse(all[name], Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		ends, err := everyEnd(d)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		fmt.Fprintf(&b, "## %s\n", name)
		for _, host := range append([]string{""}, d.Hosts()...) {
			for _, tunnel := range ends[host] {
				word := strings.TrimSpace(host + " present")
				if tunnel.Absent {
					word = strings.TrimSpace(host + " absent")
				}
				if tunnel.PeerName != "" && !tunnel.Remote.IsValid() {
					word += " peer " + tunnel.PeerName
				}
				fmt.Fprintf(&b, "%s: %s\n", word, tunnel.CreateCommand())
			}
		}
	}
	golden(t, "testdata/right.txt", b.String())
}

// A document that was written is read as the same tunnels.
func TestWriteAndParse(t *testing.T) {
	for name, text := range cases(t, "testdata/right.yaml") {
		d, err := Parse(text, Options{})
		if err != nil {
			t.Fatal(err)
		}
		ends, err := everyEnd(d)
		if err != nil {
			t.Fatal(err)
		}
		for host, tunnels := range ends {
			var plain []nm.Tunnel
			for _, tunnel := range tunnels {
				if !tunnel.Absent {
					plain = append(plain, tunnel.Tunnel)
				}
			}
			again, err := Parse(Write(plain), Options{})
			if err != nil {
				t.Errorf("%s, %s: %v\n%s", name, host, err, Write(plain))
				continue
			}
			if len(again.tunnels) != len(plain) {
				t.Fatalf("%s, %s: %d tunnels became %d", name, host, len(plain), len(again.tunnels))
			}
			for i, tunnel := range again.tunnels {
				if changes := nm.Diff(plain[i], tunnel.Tunnel); len(changes) > 0 || tunnel.CreateCommand() != plain[i].CreateCommand() {
					t.Errorf("%s, %s: %v\n%s", name, host, changes, Write(plain))
				}
				checkJSON(t, name, plain[i])
			}
		}
	}
}

// checkJSON checks that the fields of a tunnel in JSON are a document of the same tunnel.
func checkJSON(t *testing.T, name string, want nm.Tunnel) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"tunnels": []any{Fields(want)}})
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	again, err := Parse(string(text), Options{})
	if err != nil || len(again.tunnels) != 1 || again.tunnels[0].CreateCommand() != want.CreateCommand() {
		t.Errorf("%s: %v\n%s", name, err, text)
	}
}

// The schema is that of the fields.
func TestSchemaFile(t *testing.T) { golden(t, "schema.json", MakeSchema()) }

// Each example of the package documentation is taken.
func TestPackageExample(t *testing.T) {
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var examples []string
	inside := false
	for line := range strings.Lines(string(source)) {
		code, ok := strings.CutPrefix(line, "//\t")
		if ok && !inside {
			examples = append(examples, "")
		}
		if inside = ok; ok {
			examples[len(examples)-1] += code
		}
	}
	if len(examples) != 2 {
		t.Fatalf("there are %d examples", len(examples))
	}
	for _, text := range examples {
		d, err := Parse(text, Options{})
		if err == nil {
			_, err = everyEnd(d)
		}
		if err != nil {
			t.Errorf("%s%s", text, messages(err))
		}
	}
}

// Routes are read with the host's own names of tables.
func TestNames(t *testing.T) {
	text := "tunnels: [{name: gre1, peer: 203.0.113.2, addresses: 172.16.0.1/30, routes: [10.1.0.0/24 table vpn]}]"
	if _, err := Parse(text, Options{}); err == nil {
		t.Error("the table vpn is known")
	}
	d, err := Parse(text, Options{Names: routes.Names{Tables: map[string]uint32{"vpn": 100}}})
	if err != nil || d.tunnels[0].Routes[0].Table != 100 {
		t.Errorf("%v", err)
	}
}

func TestNearest(t *testing.T) {
	known := names(false)
	for word, want := range map[string]string{"addrs": "did you mean addresses", "addressen": "did you mean addresses", "route": "did you mean routes", "remote": "did you mean peer", "tll": "did you mean ttl",
		"input_key": "did you mean input-key", "mut": "did you mean mtu", "zoen": "did you mean zone", "Peer": "did you mean peer"} {
		if got := Nearest(word, "fields", known); got != want {
			t.Errorf("%s: %s", word, got)
		}
	}
	for word, want := range map[string]string{"address": "did you mean outer", "ansible_host": "did you mean outer", "lans": "did you mean networks", "subnet": "did you mean networks"} {
		if got := Nearest(word, "fields", hostFields); got != want {
			t.Errorf("of a host, %s: %s", word, got)
		}
	}
	if got := Nearest("quux", "fields", known); !strings.HasPrefix(got, "the fields are name, mode") {
		t.Error(got)
	}
	if got := Nearest(strings.Repeat("x", 1<<20), "fields", known); !strings.HasPrefix(got, "the fields are") {
		t.Error("a long word is near")
	}
}

// A network that several hosts have is noted, unless a metric chooses between them.
func TestNotes(t *testing.T) {
	const hosts = "hosts:\n  hub: {outer: 192.0.2.1, networks: [10.1.0.0/24]}\n  rome: {outer: 192.0.2.2, networks: [10.2.0.0/24]}\n" +
		"  oslo: {outer: 192.0.2.3, networks: [10.2.0.0/24]}\npool: 172.31.0.0/16\nlinks:\n"
	for links, want := range map[string]int{"  - star: hub\n": 1, "  - between: [hub, rome]\n  - {between: [hub, oslo], metric: 200}\n": 0} {
		d, err := Parse(hosts+links, Options{})
		if err != nil {
			t.Fatal(err)
		}
		notes := d.Notes()
		if len(notes) != want || want == 1 && !strings.Contains(notes[0], "rome and oslo have the network 10.2.0.0/24") {
			t.Errorf("%s: %q", links, notes)
		}
	}
}
