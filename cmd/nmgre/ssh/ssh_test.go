package ssh

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
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
	write("ssh", "for last; do :; done\n[ \"$last\" != -V ] || exit ${SSH_KNOWS:-0}\n"+`printf '%s\n' "$@" > `+file+"\nexec sh -c \"$last\"\n")
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

// A host's configuration that asks for something else than a command with a pipe is overruled. An
// old ssh ends at an option that it does not know, so that it is given the old ones alone.
func TestOverruled(t *testing.T) {
	for status, want := range map[string]bool{"0": true, "255": false} {
		args := fakeSSH(t, map[string]string{"nmgre": ""})
		t.Setenv("SSH_KNOWS", status)
		c, err := Dial(t.Context(), Options{Host: "linux2"})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		got := args()
		for _, word := range []string{"SessionType=default", "ForkAfterAuthentication=no", "StdinNull=no"} {
			if slices.Contains(got, word) != want {
				t.Errorf("an ssh that ends with %s at new options is called as ssh %q", status, got)
			}
		}
		for _, word := range []string{"RemoteCommand=none", "PermitLocalCommand=no", "ClearAllForwardings=yes"} {
			if !slices.Contains(got, word) {
				t.Errorf("no %s: ssh %q", word, got)
			}
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

// Each way to fail has its own words, and a hint. The lines are those of sudo, dash and coreutils.
func TestExplain(t *testing.T) {
	copied := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(copied, []byte("#!/bin/sh\nexit 9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const warning = "echo 'bash: warning: setlocale: LC_ALL: cannot change locale (de_DE): No such file or directory' >&2; "
	for name, c := range map[string]struct {
		programs map[string]string
		opts     Options
		kind     error
		says     string
	}{
		"no nmgre":           {nil, Options{Program: "/nowhere/nmgre"}, fault.ErrUnsupported, "--copy"},
		"no program":         {nil, Options{Program: "/etc/passwd"}, nil, "could not be started on linux2"},
		"sudo asks":          {map[string]string{"sudo": "echo 'sudo: a password is required' >&2; exit 1"}, Options{Become: true}, fault.ErrNotPermitted, "NOPASSWD: /usr/local/bin/nmgre far-end"},
		"sudo asks, path":    {map[string]string{"sudo": "echo 'sudo: a password is required' >&2; exit 1"}, Options{Become: true, Program: "/opt/nmgre"}, fault.ErrNotPermitted, "NOPASSWD: /opt/nmgre far-end"},
		"sudo asks, a copy":  {map[string]string{"sudo": "echo 'sudo: a password is required' >&2; exit 1"}, Options{Become: true, Copy: copied}, fault.ErrNotPermitted, "NOPASSWD: ALL"},
		"no tty":             {map[string]string{"sudo": "echo 'sudo: sorry, you must have a tty to run sudo' >&2; exit 1"}, Options{Become: true}, fault.ErrNotPermitted, "NOPASSWD"},
		"no sudoer":          {map[string]string{"sudo": "echo 'ann is not in the sudoers file.' >&2; exit 1"}, Options{Become: true}, fault.ErrNotPermitted, "visudo"},
		"no sudo":            {map[string]string{"sudo": "echo \"env: 'sudo': No such file or directory\" >&2; exit 127"}, Options{Become: true}, fault.ErrUnsupported, "there is no sudo on linux2"},
		"secure_path":        {map[string]string{"sudo": "echo 'sudo: nmgre: command not found' >&2; exit 1"}, Options{Become: true}, fault.ErrUnsupported, "secure_path"},
		"no connection":      {map[string]string{"nmgre": "echo 'Permission denied (publickey).' >&2; exit 255"}, Options{}, nil, "ssh linux2 true"},
		"an error":           {map[string]string{"nmgre": "echo 'unknown command far-end' >&2; exit 2"}, Options{}, nil, "same version"},
		"a warning, and so":  {map[string]string{"nmgre": warning + "echo 'unknown command far-end' >&2; exit 2"}, Options{}, nil, "same version"},
		"a shell that fails": {map[string]string{"nmgre": "exit 1"}, Options{}, nil, "have a shell there? try it alone: ssh linux2 true"},
		"another machine":    {map[string]string{"uname": "case $1 in -s) echo Linux;; *) echo mips;; esac"}, Options{Copy: copied}, fault.ErrUnsupported, "does not run on Linux mips"},
		"another kernel":     {map[string]string{"uname": "case $1 in -s) echo FreeBSD;; *) echo amd64;; esac"}, Options{Copy: copied}, fault.ErrUnsupported, "does not run on FreeBSD amd64"},
		"no room":            {map[string]string{"df": "echo head; echo tmpfs 1024 1024 0 100% /tmp"}, Options{Copy: copied}, nil, "are full, or forbid it"},
		"no folder":          {map[string]string{"mktemp": "exit 1"}, Options{Copy: copied}, nil, "make room in a folder"},
		"no df":              {map[string]string{"df": "exit 1"}, Options{Copy: copied}, nil, "exit code 9"},
	} {
		t.Run(name, func(t *testing.T) {
			fakeSSH(t, c.programs)
			c.opts.Host = "linux2"
			conn, err := Dial(t.Context(), c.opts)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.ReadAll(conn)
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

// A folder where no program may be run is passed over, and a copy is gone when the far shell is
// told to end while the program is on its way.
func TestCopyFolder(t *testing.T) {
	before, _ := filepath.Glob("/tmp/nmgre.????????")
	mktemp, err := exec.LookPath("mktemp")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", t.TempDir())
	fakeSSH(t, map[string]string{"mktemp": "case $2 in \"$HOME\"/*) exec " + mktemp + " \"$@\";; *) exit 1;; esac"})
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho \"$0 $*\"; cat\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Dial(t.Context(), Options{Host: "linux2", Copy: program})
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(c)
	if lines.Scan(); !strings.HasPrefix(lines.Text(), os.Getenv("HOME")+"/nmgre.") || !strings.HasSuffix(lines.Text(), "/nmgre far-end --copied") {
		t.Errorf("it runs as %q", lines.Text())
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}

	fakeSSH(t, map[string]string{"head": "kill -TERM $PPID; sleep 0.2"})
	if c, err = Dial(t.Context(), Options{Host: "linux2", Copy: program}); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err == nil {
		t.Error("it ends well")
	}
	if left, _ := filepath.Glob("/tmp/nmgre.????????"); len(left) > len(before) {
		t.Errorf("left: %q", left)
	}
}

// A copy is the program byte for byte, runs, and is gone at the end, whatever happens.
func TestCopy(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	text := "#!/bin/sh\necho \"$0 $*\"\ncat\nexit 3\n# " + strings.Repeat("x", 300000) + "\n"
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
				if err != nil || string(copied) != text || !strings.HasSuffix(lines.Text(), " "+Command+" "+Copied) {
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
		"[2001:db8::2]": "ssh takes an address without brackets: 2001:db8::2", "ann@[2001:db8::2]": "ssh takes an address without brackets: ann@2001:db8::2",
		"ssh://linux2:22": "try it alone: ssh ssh://linux2:22 true", ":22": "try it alone: ssh :22 true",
	} {
		if got := alone(host); got != want {
			t.Errorf("%s: %s", host, got)
		}
	}
}
