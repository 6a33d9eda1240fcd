package nmgre

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// The same tunnel in nmcli's, ip's and nmgre's own words. A file is a tunnel, as in testdata/domain/validate, a rule, and the commands.
func TestCommands(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "domain", "commands", "*.txt"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, _, _ := strings.Cut(string(text), rule+"\n")
			tunnel, err := readTunnel(input)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "commands/"+name+".txt", input+rule+"\n"+tunnel.NmcliAdd()+"\n\n"+
				strings.Join(tunnel.IPCommands(), "\n")+"\n\n"+tunnel.CreateCommand()+"\n")
		})
	}
}

// The nmgre command makes the tunnel that it was printed from.
func TestCreateCommandIsTheSameTunnel(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		want := randomTunnel(random)
		want.Autoconnect = random.IntN(2) == 0
		switch random.IntN(5) {
		case 0:
			want.Parent = "eth0"
		case 1:
			want.Routes = append(want.Routes, Route{Dst: hostPrefix(want.PeerAddress), Metric: ptr(uint32(5))})
		case 2:
			want.Local = want.Mode.anyAddr()
		case 3:
			if own := want.Addresses[0]; own.Contains(want.PeerAddress) { // superfluous, but asked for
				want.Routes = append(want.Routes, Route{Dst: hostPrefix(want.PeerAddress)})
			}
		}
		command := want.CreateCommand()
		got := parseCreate(t, command)
		if !got.PeerAddress.IsValid() {
			got.PeerAddress = DerivePeer(got.Addresses)
		}
		if got.EncapLimit == 0 && want.EncapLimit == DefaultEncapLimit { // left out, and decided by the plan
			got.EncapLimit = DefaultEncapLimit
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s\nmakes  %+v\nwanted %+v", command, got, want)
		}
	}
}

// parseCreate reads a command line of CreateCommand's, without quoted words.
func parseCreate(t *testing.T, command string) Tunnel {
	t.Helper()
	tunnel := NewTunnel()
	words := splitQuoted(command)
	if words[0] != "nmgre" || words[1] != "create" {
		t.Fatalf("%s", command)
	}
	for i := 2; i < len(words); i++ {
		flag := strings.TrimPrefix(words[i], "--")
		switch flag {
		case "autoconnect=false":
			tunnel.Autoconnect = false
			continue
		case "no-pmtud":
			tunnel.NoPMTUD = true
			continue
		}
		i++
		value := words[i]
		switch {
		case flag == "ttl" && value == "inherit":
			value = "0"
		case flag == "local" && value == "any":
			value = tunnel.Mode.anyAddr().String()
		}
		if err := setField(&tunnel, flag, value); err != nil {
			t.Fatalf("%s: --%s: %v", command, flag, err)
		}
	}
	return tunnel
}

// splitQuoted takes a command line apart as a shell would, as far as single quotes go.
func splitQuoted(line string) []string {
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

// An end whose far end does not know its address yet is no command to be typed as it is, and must not look like one.
func TestCreateCommandWithoutAddress(t *testing.T) {
	for _, local := range []string{"0.0.0.0", ""} {
		near := NewTunnel()
		near.Remote, near.Addresses, near.PeerAddress = addr("100.0.2.100"), cidrs("172.16.0.1/30"), addr("172.16.0.2")
		if local != "" {
			near.Local = addr(local)
		}
		same(t, "the far end's command", near.FarEnd(nil).CreateCommand(), "nmgre create --peer ADDRESS --local 100.0.2.100 --address 172.16.0.2/30")
	}
}

func TestShellQuote(t *testing.T) {
	for word, want := range map[string]string{
		"": "''", "gre1": "gre1", "172.16.0.1/30": "172.16.0.1/30", "2001:db8::1": "2001:db8::1", "a b": "'a b'", "it's": `'it'\''s'`,
		"$(reboot)": "'$(reboot)'", "`x`": "'`x`'", "a;b": "'a;b'", "~": "'~'", "a\nb": "'a\nb'", "*": "'*'", "-n": "-n", "ü": "'ü'", `\`: `'\'`,
		"'": `''\'''`, "!": "'!'", "#": "'#'", "a=b": "a=b", "{a,b}": "'{a,b}'",
	} {
		if got := shellQuote(word); got != want {
			t.Errorf("shellQuote(%q) = %s, want %s", word, got, want)
		}
	}
}

// What is quoted is one word to a real shell, and the same one.
func TestShellQuoteIsRead(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	words := []string{"", "gre1", "a b", "it's", "$(echo x)", "`echo x`", "a;b", "a\nb", "*", `\`, "'", "!", "#", "ü", `"`, "$HOME", "<", "''''"}
	out, err := exec.Command(shell, "-c", `for word do printf '%s\0' "$word"; done`, "sh").Output()
	if err != nil || len(out) != 0 {
		t.Fatalf("sh: %q, %v", out, err)
	}
	out, err = exec.Command(shell, "-c", "set -- "+shellJoin(words)+`; for word do printf '%s\0' "$word"; done`).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); !reflect.DeepEqual(got, words) {
		t.Errorf("sh read %q, want %q", got, words)
	}
}

func TestCountRoutes(t *testing.T) {
	for n, want := range []string{"no routes", "1 route", "2 routes"} {
		if got := countRoutes(n); got != want {
			t.Errorf("countRoutes(%s) = %q", strconv.Itoa(n), got)
		}
	}
}
