package ssh

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"nmgre/routes/fault"
)

// fakeSSH puts an ssh into PATH that writes its arguments into a file, and runs the command here.
// Further programs may be added.
func fakeSSH(t *testing.T, programs map[string]string) (args func() []string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "args")
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o700); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	write("ssh", `printf '%s\n' "$@" > `+file+"\nfor last; do :; done\nexec sh -c \"$last\"\n")
	for name, text := range programs {
		write(name, text)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() []string {
		text, _ := os.ReadFile(file) //nolint:gosec // the test's own
		return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	}
}

// nmgre's hidden command is started on the host, and the person's choices about host keys count.
func TestDial(t *testing.T) {
	args := fakeSSH(t, map[string]string{"nmgre": "echo \"$1\"; read line; echo \"heard $line\"; echo 'a\tword' >&2\n"})
	var mu sync.Mutex
	var told []string
	c, err := Dial(t.Context(), Options{Host: "ann@linux2", Told: func(line string) { mu.Lock(); told = append(told, line); mu.Unlock() }})
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(c)
	lines.Scan()
	if lines.Text() != Command {
		t.Errorf("it is started as %q", lines.Text())
	}
	_, _ = c.Write([]byte("me\n"))
	if lines.Scan(); lines.Text() != "heard me" {
		t.Errorf("it says %q", lines.Text())
	}
	if err := c.Close(); err != nil || c.Close() != nil {
		t.Error(err)
	}
	if len(told) != 1 || !fault.IsPrintable(told[0]) {
		t.Errorf("told %q", told)
	}
	got := args()
	at := slices.Index(got, "--")
	if at < 0 || !slices.Equal(got[at+1:], []string{"ann@linux2", "env LC_ALL=C nmgre far-end"}) || !slices.Contains(got, "-T") {
		t.Errorf("ssh %q", got)
	}
	for _, word := range got {
		if strings.Contains(strings.ToLower(word), "hostkey") {
			t.Errorf("it decides about host keys: %q", got)
		}
	}
}

// Hosts that are options, or no hosts, are refused before anything is started.
func TestHostRefused(t *testing.T) {
	args := fakeSSH(t, nil)
	for _, host := range []string{"", "-oProxyCommand=reboot", "--", "a b", "a\nb", "\x1b[2J", strings.Repeat("x", 2000)} {
		if _, err := Dial(t.Context(), Options{Host: host}); !errors.Is(err, fault.ErrInvalid) || len(fault.Hints(err)) == 0 {
			t.Errorf("%q: %v", host, err)
		}
	}
	if got := args(); got[0] != "" {
		t.Errorf("ssh %q", got)
	}
}

// Each way to fail has its own words, and a hint.
func TestExplain(t *testing.T) {
	for name, c := range map[string]struct {
		nmgre, sudo string
		opts        Options
		kind        error
		says        string
	}{
		"no nmgre":      {"", "", Options{Program: "/nowhere/nmgre"}, fault.ErrUnsupported, "--copy"},
		"sudo asks":     {"", "echo 'sudo: a password is required' >&2; exit 1", Options{Become: true}, fault.ErrNotPermitted, "NOPASSWD"},
		"no tty":        {"", "echo 'sudo: sorry, you must have a tty to run sudo' >&2; exit 1", Options{Become: true}, fault.ErrNotPermitted, "NOPASSWD"},
		"no sudoer":     {"", "echo 'ann is not in the sudoers file.' >&2; exit 1", Options{Become: true}, fault.ErrNotPermitted, "visudo"},
		"no connection": {"echo 'Permission denied (publickey).' >&2; exit 255", "", Options{}, nil, "ssh linux2 true"},
		"an error":      {"echo 'unknown command far-end' >&2; exit 2", "", Options{}, nil, "same version"},
		"another kind":  {"echo 'sh: 1: /tmp/x/nmgre: Exec format error' >&2; exit 126", "", Options{}, fault.ErrUnsupported, "another kind"},
	} {
		t.Run(name, func(t *testing.T) {
			fakeSSH(t, map[string]string{"nmgre": c.nmgre + "\n", "sudo": c.sudo + "\n"})
			c.opts.Host = "linux2"
			conn, err := Dial(t.Context(), c.opts)
			if err != nil {
				t.Fatal(err)
			}
			err = conn.Close()
			if err == nil || c.kind != nil && !errors.Is(err, c.kind) {
				t.Fatal(err)
			}
			if text := err.Error() + strings.Join(fault.Hints(err), "\n"); !strings.Contains(text, c.says) || !strings.Contains(text, "linux2") {
				t.Errorf("%s", text)
			}
		})
	}
}

// A copy is the program byte for byte, runs, and is gone at the end, whatever happens.
func TestCopy(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	text := "#!/bin/sh\necho \"$0 $1\"\ncat\nexit 3\n# " + strings.Repeat("x", 300000) + "\n"
	if err := os.WriteFile(program, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, broken := range map[string]bool{"whole": false, "broken": true} {
		t.Run(name, func(t *testing.T) {
			programs := map[string]string{}
			if broken { // a byte is lost on the way
				programs["head"] = "exec /usr/bin/head -c 299999\n"
			}
			fakeSSH(t, programs)
			c, err := Dial(t.Context(), Options{Host: "linux2", Copy: program})
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(c)
			lines.Scan()
			file, _, _ := strings.Cut(lines.Text(), " ")
			if broken {
				if lines.Text() != "" {
					t.Errorf("it runs: %q", lines.Text())
				}
			} else {
				copied, err := os.ReadFile(file) //nolint:gosec // the copy
				if err != nil || string(copied) != text || !strings.HasSuffix(lines.Text(), " "+Command) {
					t.Errorf("%q, %v", lines.Text(), err)
				}
			}
			if err := c.Close(); err == nil {
				t.Error("it ends well")
			} else if broken && !strings.Contains(err.Error(), "checksum") {
				t.Error(err)
			}
			if left, _ := filepath.Glob("/tmp/nmgre.????????/nmgre"); slices.Contains(left, file) || broken && len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
	if _, err := Dial(t.Context(), Options{Host: "linux2", Copy: "/nowhere"}); err == nil {
		t.Error("a program that is not there is copied")
	}
}

// A host that ssh does not reach is to be tried alone; ssh takes no port behind a colon.
func TestAlone(t *testing.T) {
	for host, want := range map[string]string{
		"linux2": "try it alone: ssh linux2 true", "ann@linux2": "try it alone: ssh ann@linux2 true", "linux2:22": "give the port as ssh does: ssh://linux2:22",
		"ann@linux2:2222": "give the port as ssh does: ssh://ann@linux2:2222", "2001:db8::2": "try it alone: ssh 2001:db8::2 true", "linux2:70000": "try it alone: ssh linux2:70000 true",
		"ssh://linux2:22": "try it alone: ssh ssh://linux2:22 true", ":22": "try it alone: ssh :22 true",
	} {
		if got := alone(host); got != want {
			t.Errorf("%s: %s", host, got)
		}
	}
}
