package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// govulncheck is the tool that knows the faults of Go modules.
const govulncheck = "golang.org/x/vuln/cmd/govulncheck@v1.1.4"

// purposes has nmgre's use of each direct dependency.
var purposes = map[string]string{
	"charm.land/bubbletea/v2":             "the loop of the screens: keys, mouse, drawing",
	"github.com/Wifx/gonetworkmanager/v2": "NetworkManager's names, numbers and simple calls",
	"github.com/charmbracelet/x/ansi":     "how many cells of a terminal a text takes",
	"github.com/godbus/dbus/v5":           "D-Bus",
	"github.com/google/nftables":          "SNAT rules, and reading those of others",
	"github.com/muesli/cancelreader":      "keys that a screen has not read yet go to the next program",
	"github.com/spf13/cobra":              "the command line, its help and its completion",
	"github.com/spf13/pflag":              "flags; cobra's own",
	"github.com/vishvananda/netlink":      "links, addresses and routes of the kernel",
	"github.com/vishvananda/netns":        "network namespaces: netlink's own, and the tests",
	"go.yaml.in/yaml/v3":                  "documents, and netplan's files",
	"golang.org/x/sys":                    "system calls",
}

// dependency is a line of `go list -m -json`.
type dependency struct {
	Path, Version, Time, Dir string
	Indirect, Main           bool
	Update                   *struct{ Version string }
	Deprecated               string
}

// direct lists the modules of go.mod that nmgre imports. With updates it asks for newer ones.
func direct(ctx context.Context, updates bool) ([]dependency, error) {
	args := []string{"list", "-m", "-json"}
	if updates {
		args = append(args, "-u")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "all")...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the modules: %w\n%s", err, said.String())
	}
	var list []dependency
	for lines := json.NewDecoder(strings.NewReader(string(out))); ; {
		var d dependency
		switch err := lines.Decode(&d); {
		case errors.Is(err, io.EOF):
			return list, nil
		case err != nil:
			return nil, err
		case !d.Indirect && !d.Main:
			list = append(list, d)
		}
	}
}

// table returns README's table of the direct dependencies.
func table(list []dependency) (string, error) {
	var b strings.Builder
	b.WriteString("| module | what for | licence | release in use |\n|---|---|---|---|\n")
	for _, d := range list {
		if purposes[d.Path] == "" {
			return "", fmt.Errorf("say in cmd/nmgre/packaging/dependencies.go what %s is for", d.Path)
		}
		_, licence, err := licences(module{Path: d.Path, Version: d.Version, Dir: d.Dir})
		if err != nil {
			return "", err
		}
		when, _, _ := strings.Cut(d.Time, "T")
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s, %s |\n", d.Path, purposes[d.Path], licence, d.Version, when)
	}
	return b.String(), nil
}

// dependencies prints the table, or with check whether there are newer ones, or known faults.
func dependencies(ctx context.Context, check bool) error {
	if check {
		return errors.Join(newReleases(ctx), knownFaults(ctx))
	}
	list, err := direct(ctx, false)
	if err != nil {
		return err
	}
	text, err := table(list)
	fmt.Print(text)
	return err
}

// newReleases prints the direct dependencies of which there is a newer release. Not every proxy of
// modules lists releases.
func newReleases(ctx context.Context) error {
	list, err := direct(ctx, true)
	if err != nil && unreachable(err.Error()) {
		fmt.Printf("newer releases were not looked for: the proxy of modules does not list them, or cannot be reached from here\n%v\n", err)
		return nil
	}
	if err != nil {
		return err
	}
	newer := slices.DeleteFunc(list, func(d dependency) bool { return d.Update == nil && d.Deprecated == "" })
	for _, d := range newer {
		if d.Update != nil {
			fmt.Printf("newer: %s %s, in use is %s\n", d.Path, d.Update.Version, d.Version)
		}
		if d.Deprecated != "" {
			fmt.Printf("deprecated: %s: %s\n", d.Path, d.Deprecated)
		}
	}
	if len(newer) == 0 {
		fmt.Println("no direct dependency has a newer release")
	}
	return nil
}

// knownFaults has govulncheck look at the code that nmgre calls. Its exit code 3 says that there is
// a fault.
func knownFaults(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "run", govulncheck, "./cmd/nmgre")
	out, err := cmd.CombinedOutput()
	text := string(out)
	switch {
	case err == nil:
		fmt.Print(text)
		return nil
	case strings.Contains(text, "Vulnerability #"):
		return fmt.Errorf("nmgre calls code with known faults:\n%s", text)
	case unreachable(text):
		fmt.Printf("known faults were not looked for: the database, https://vuln.go.dev, cannot be reached from here\n%s", text)
		return nil
	}
	return fmt.Errorf("govulncheck: %w\n%s", err, text)
}

// unreachable reports whether govulncheck could not read its database, or could not be fetched.
func unreachable(text string) bool {
	for _, part := range []string{"fetching vulnerabilities", "vuln.go.dev", "dial tcp", "no such host", "Forbidden"} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
