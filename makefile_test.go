package nmgre_test

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// makeWould returns the words of the commands that make would carry out below the folder /d, of
// those that begin with program.
func makeWould(t *testing.T, target, program string) (lines [][]string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "make", "-n", target, "DESTDIR=/d").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if words := strings.Fields(line); len(words) > 0 && words[0] == program {
			lines = append(lines, words[1:])
		}
	}
	return lines
}

// installed returns the files that a command line of install makes.
func installed(words []string) (files []string) {
	at := slices.Index(words, "-t")
	if at < 0 {
		return words[len(words)-1:]
	}
	for _, file := range words[at+2:] {
		switch name := path.Base(file); name {
		case "*.8": // the manual pages
			files = append(files, path.Join(words[at+1], "nmgre.8"), path.Join(words[at+1], "nmgre-*.8"))
		case "*.7":
			files = append(files, path.Join(words[at+1], "nmgre-*.7"))
		default:
			files = append(files, path.Join(words[at+1], name))
		}
	}
	return files
}

// make uninstall removes every file that make install has made, and names no other.
func TestUninstall(t *testing.T) {
	var made, removed []string
	for _, words := range makeWould(t, "install", "install") {
		made = append(made, installed(words)...)
	}
	for _, words := range makeWould(t, "uninstall", "rm") {
		removed = append(removed, words[1:]...)
	}
	slices.Sort(made)
	slices.Sort(removed)
	if len(made) == 0 || !slices.Equal(made, removed) {
		t.Errorf("installed: %v\nremoved: %v", made, removed)
	}
}

// make builds what install installs. sudo make install takes what is built, and needs no Go then;
// without it, it says what to type first.
func TestInstallUnderSudo(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	would := func(sudo bool, target ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "make", append([]string{"-n", "-C", folder}, target...)...)
		if cmd.Env = os.Environ(); sudo {
			cmd.Env = append(cmd.Env, "SUDO_UID=1000")
		}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if err := os.WriteFile(filepath.Join(folder, "Makefile"), makefile, 0o644); err != nil {
		t.Fatal(err)
	}
	if said := would(true, "install"); !strings.Contains(said, "go build") || !strings.Contains(said, "as yourself") {
		t.Errorf("nothing is built: %s", said)
	}
	if said := would(false); !strings.Contains(said, "go build") || !strings.Contains(said, " man build/man") || !strings.Contains(said, "nmgre.fish") || !strings.Contains(said, ".policy") {
		t.Errorf("make alone: %s", said)
	}
	for _, name := range []string{"build/nmgre", "build/man/nmgre.8", "build/completions/nmgre.fish"} {
		if err := os.MkdirAll(filepath.Join(folder, path.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if said := would(true, "install"); strings.Contains(said, "go build") || strings.Contains(said, "go run") || !strings.Contains(said, "/bin/nmgre") {
		t.Errorf("all is built: %s", said)
	}
	if said := would(false, "install"); !strings.Contains(said, "go build") {
		t.Errorf("without sudo: %s", said)
	}
}

// systemd accepts the units that are shipped, and the timer starts the command that there is.
func TestUnits(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, name := range []string{"nmgre-follow.service.in", "nmgre-follow.timer"} {
		text, err := os.ReadFile(filepath.Join("cmd/nmgre/systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		unit := strings.ReplaceAll(string(text), "@nmgre@", self)
		if strings.HasSuffix(name, ".in") && !strings.Contains(unit, "\nExecStart="+self+" follow --all\n") || strings.HasSuffix(name, ".timer") && !strings.Contains(unit, "\nOnUnitInactiveSec=") {
			t.Errorf("%s:\n%s", name, unit)
		}
		if err := os.WriteFile(filepath.Join(folder, strings.TrimSuffix(name, ".in")), []byte(unit), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("there is no systemd-analyze: the units were only read")
		return
	}
	for _, unit := range []string{"nmgre-follow.service", "nmgre-follow.timer"} {
		cmd := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", "--recursive-errors=no", filepath.Join(folder, unit))
		cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+folder+":")
		if said, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(said), folder) {
			t.Errorf("%s: %v\n%s", unit, err, said)
		}
	}
}
