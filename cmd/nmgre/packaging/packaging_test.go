package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nmgre/routes/kernel"
)

// atTop lets a test work in the repository's top, as make does.
func atTop(t *testing.T) {
	t.Helper()
	t.Chdir("../../..")
}

// Packages of another version do not stay beside those that are made, nor does anything else go.
func TestRemoveOthers(t *testing.T) {
	dir := t.TempDir()
	var stay, made []string
	for name, is := range map[string]string{
		"nmgre_0.2.0-1_amd64.deb": "made", "nmgre_0.1.0-1_amd64.deb": "", "nmgre_0.2.0~rc.1-1_amd64.deb": "", "nmgre_0.1.0-1_arm64.deb": "stays", "nmgre-dbg_0.1.0-1_amd64.deb": "stays",
		"nmgre-0.2.0-1.x86_64.rpm": "made", "nmgre-0.1.0-1.x86_64.rpm": "", "nmgre-0.1.0-1.s390x.rpm": "stays", "nmgre-gre-0.1.0.x86_64.rpm": "stays",
		"nmgre_0.2.0-r1_x86_64.apk": "made", "nmgre_0.1.0_rc1-r1_x86_64.apk": "", "nmgre_0.1.0-r1_x86.apk": "stays", "nmgre_0.1.0-r1_x86_64.deb": "stays",
		"nmgre_0.2.0_linux_armv7.tar.gz": "made", "nmgre_0.1.0_linux_armv7.tar.gz": "", "nmgre_0.1.0_linux_arm64.tar.gz": "stays", "nmgre_0.2.0_linux_armv7.cdx.json": "made",
		"other_0.1.0-1_amd64.deb": "stays",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		switch is {
		case "made":
			made = append(made, dir+"/./"+name) // nfpm joins the folder with a slash at its end
			fallthrough
		case "stays":
			stay = append(stay, name)
		}
	}
	if err := removeOthers(made); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	slices.Sort(stay)
	if !slices.Equal(left, stay) {
		t.Errorf("there are\n%q, want\n%q", left, stay)
	}
}

// The text with the licences has that of every module that is linked, on any processor, and each is
// one that lets nmgre be shipped as it is.
func TestLicencesAreComplete(t *testing.T) {
	atTop(t)
	text, err := copyright(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	modules, err := linked(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		licence, name, err := licences(m)
		if err != nil || len(licence) < 500 || !strings.Contains(text, licence) || !strings.Contains(text, "\n"+strings.TrimSpace(m.Path+" "+m.Version)+"\nLicense: "+name+"\n") {
			t.Errorf("%s %s: %q, %d bytes, %v", m.Path, m.Version, name, len(licence), err)
		}
		for _, one := range strings.Split(name, " AND ") {
			if !strings.Contains(" MIT BSD-2-Clause BSD-3-Clause ISC Apache-2.0 ", " "+one+" ") {
				t.Errorf("%s has the licence %q", m.Path, one)
			}
		}
	}
	for _, path := range inProgram(t) {
		if !strings.Contains(text, "\n"+path+" v") {
			t.Errorf("%s is linked, and its licence is not there", path)
		}
	}
}

// A shipped program is the same, and knows its commit, whatever a machine's settings ask of Go.
func TestSettingsOfAMachine(t *testing.T) {
	atTop(t)
	plain := shippedHere(t)
	t.Setenv("GOFLAGS", "-buildvcs=false -tags=man -mod=readonly -gcflags=nmgre/cmd/nmgre=-N -cover")
	for _, setting := range []string{"GOAMD64=v3", "GOARM64=v8.1", "GOFIPS140=latest", "GOEXPERIMENT=nogreenteagc", "CGO_ENABLED=1", "TZ=Asia/Kathmandu"} {
		name, value, _ := strings.Cut(setting, "=")
		t.Setenv(name, value)
	}
	program := shippedHere(t)
	if want, got := bytesOf(t, plain), bytesOf(t, program); want != got {
		t.Errorf("the settings make another program: %d and %d bytes", len(want), len(got))
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	commit := slices.IndexFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "vcs.revision" && len(s.Value) == 40 })
	if commit < 0 {
		t.Errorf("it knows only\n%s", info)
	}
}

// shippedHere builds the program for this kind of processor, as it is shipped.
func shippedHere(t *testing.T) (program string) {
	t.Helper()
	i := slices.IndexFunc(machines, func(m machine) bool { return m.goarch == runtime.GOARCH })
	if i < 0 {
		t.Fatalf("nmgre is not shipped for %s", runtime.GOARCH)
	}
	program = filepath.Join(t.TempDir(), "nmgre")
	if err := (&shipment{version: "0.1.0", time: time.Unix(0, 0)}).build(t.Context(), machines[i], program); err != nil {
		t.Fatal(err)
	}
	return program
}

func bytesOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Words of GOFLAGS that change the program are left out.
func TestShippedFlags(t *testing.T) {
	for flags, want := range map[string]string{
		"": "-trimpath", "-tags=man -cover": "-trimpath", "-p=1 -trimpath": "-trimpath -p=1",
		"-mod=vendor  -modcacherw -ldflags=-X=a.b=c": "-trimpath -mod=vendor -modcacherw", "'-ldflags=-s -modern' -p=2": "-trimpath -p=2",
	} {
		if got := shippedFlags(flags); got != want {
			t.Errorf("%q: got %q, want %q", flags, got, want)
		}
	}
}

// inProgram returns the modules that a program itself says it is made of.
func inProgram(t *testing.T) (paths []string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "nmgre")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", program, "./cmd/nmgre").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range info.Deps {
		paths = append(paths, m.Path)
	}
	if len(paths) < 10 {
		t.Fatalf("the program is made of %q", paths)
	}
	return paths
}

// A licence is known by its text, however its lines are broken.
func TestSPDX(t *testing.T) {
	for text, want := range map[string]string{
		"Permission is hereby granted, free of\ncharge, to any person obtaining a copy":                            "MIT",
		"Redistributions in binary form must reproduce the above copyright\n   notice. Neither the name of Google": "BSD-3-Clause",
		"Redistributions in binary form must reproduce the above copyright notice":                                 "BSD-2-Clause",
		"Apache License\n   Version 2.0, January 2004":                                                             "Apache-2.0",
		"Permission to use, copy, modify, and distribute this software for any":                                    "ISC",
		"All rights reserved.": "",
	} {
		if got := spdx(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// A module without a licence stops the packages.
func TestModuleWithoutLicence(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "LICENSE"), []byte("All rights reserved.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, name, err := licences(module{Path: "example.org/m", Version: "v1.0.0", Dir: folder}); err == nil {
		t.Errorf("%q, %q", text, name)
	}
}

const history = `# Changelog

Words.

## [Unreleased]

### Added

- One thing that has a long text with very many words, so many that Debian does not
  want them on one line.
- Another: "quoted".

## [0.0.9] - 2026-01-02

### Fixed

- A fault.
`

// CHANGELOG.md in Debian's form, and in nfpm's.
func TestChangelog(t *testing.T) {
	entries, err := readChangelog(history, "0.1.0-rc.1", time.Date(2026, 11, 29, 18, 5, 14, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	const debian = `nmgre (0.1.0~rc.1-1) unstable; urgency=medium

  [ Added ]
  * One thing that has a long text with very many words, so many that Debian
    does not want them on one line.
  * Another: "quoted".

 -- A B <a@b.example>  Sun, 29 Nov 2026 18:05:14 +0000

nmgre (0.0.9-1) unstable; urgency=medium

  [ Fixed ]
  * A fault.

 -- A B <a@b.example>  Fri, 02 Jan 2026 00:00:00 +0000
`
	if got := debianChangelog(entries, "A B <a@b.example>"); got != debian {
		t.Errorf("got\n%s", got)
	}
	if got := rpmChangelog(entries, "A B <a@b.example>"); !strings.Contains(got, "    - note: \"Added: Another: \\\"quoted\\\".\"\n") || strings.Count(got, "semver") != 2 {
		t.Errorf("got\n%s", got)
	}
	for text, want := range map[string]string{"# Changelog\n": "no release", "## [1.0.0]\n": "has no date", "## [Unreleased]\nloose\n": "line 2"} {
		if _, err := readChangelog(text, "1.0.0", time.Time{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// The changelog of this very version can be shipped.
func TestOwnChangelog(t *testing.T) {
	text, err := os.ReadFile("../../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := readChangelog(string(text), "0.1.0", time.Unix(0, 0))
	if err != nil || len(entries[0].notes) == 0 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for line := range strings.Lines(debianChangelog(entries, "A B <a@b.example>")) {
		if len([]rune(line)) > 81 && strings.Contains(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "*")), " ") {
			t.Errorf("the line is too long: %q", line)
		}
	}
}

// An archive does not depend on the machine that makes it, nor does the packed form of a file.
func TestArchivesAreReproducible(t *testing.T) {
	archive := func(umask int) []byte {
		defer syscall.Umask(syscall.Umask(umask))
		r := &shipment{to: t.TempDir(), stage: t.TempDir(), time: time.Unix(1795975514, 0)}
		for _, name := range []string{"man/nmgre.8.gz", "nmgre", "copyright", "prerm"} {
			if err := r.write(name, zipped([]byte(name))); err != nil {
				t.Fatal(err)
			}
		}
		name := filepath.Join(r.to, "nmgre_1.tar.gz")
		if err := r.archive(name); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	one := archive(0o022)
	if !bytes.Equal(one, archive(0o077)) {
		t.Error("two archives differ")
	}
	listing := exec.CommandContext(t.Context(), "tar", "-tvz")
	listing.Stdin = bytes.NewReader(one)
	out, err := listing.Output()
	if err != nil || !regexp.MustCompile(`(?m)^-rwxr-xr-x root/root .* nmgre_1/nmgre$`).Match(out) || strings.Contains(string(out), "prerm") {
		t.Errorf("%v\n%s", err, out)
	}
}

// Scripts of the packages are for any shell, and know nmgre's remains in the kernel.
func TestScripts(t *testing.T) {
	for _, name := range []string{"postinst", "prerm", "postrm"} {
		if out, err := exec.CommandContext(t.Context(), "sh", "-n", name).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	text, err := os.ReadFile("postrm")
	if err != nil {
		t.Fatal(err)
	}
	protocol := strconv.Itoa(kernel.RouteProtocol)
	for _, part := range []string{"route flush table all proto " + protocol + " ", "rule flush protocol " + protocol + " ", "nft delete table $family nmgre ", "</run/nmgre/forwarding"} {
		if !strings.Contains(string(text), part) {
			t.Errorf("postrm has no %q", part)
		}
	}
}

// An upgrade takes nothing away, whichever program makes it.
func TestUpgradeRemovesNothing(t *testing.T) {
	for _, word := range []string{"upgrade", "failed-upgrade", "deconfigure", "1"} {
		if out, err := exec.CommandContext(t.Context(), "sh", "prerm", word).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("prerm %s: %v\n%s", word, err, out)
		}
	}
}

// Every file that `make install` installs is in the packages, too.
func TestPackagesHaveWhatInstallHas(t *testing.T) {
	definition, err := os.ReadFile("nfpm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	makefile := exec.CommandContext(t.Context(), "make", "-n", "-C", "../../..", "install", "DESTDIR=", "PREFIX=/usr")
	out, err := makefile.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "install" {
			continue
		}
		for _, word := range words[4:] {
			name := filepath.Base(word)
			if strings.Contains(word, "build/") || strings.Contains(word, "cmd/") {
				seen++
				if strings.HasPrefix(name, "*.") { // pages of the manual
					name += ".gz"
				}
				if !strings.Contains(string(definition), "/"+name+`"`) {
					t.Errorf("%s is installed by make, and in no package", word)
				}
			}
		}
	}
	if seen < 7 {
		t.Errorf("make install installs %d files:\n%s", seen, out)
	}
}

// A target that cannot be made is refused with the names of those that can.
func TestRefused(t *testing.T) {
	for line, want := range map[string]string{
		"":                              "say what to make",
		"cake":                          `cannot make "cake"`,
		"packages":                      "name one folder",
		"packages -arch vax x":          `"vax" is not one of`,
		"packages -format msi x":        `"msi" is not one of`,
		"packages -version 1 x":         "not like 1.2.3",
		"packages -maintainer a\\b x":   "not a name with an address",
		"packages -version 1.2.3\n x y": "name one folder",
	} {
		folder := t.TempDir()
		t.Chdir(folder)
		if err := run(context.Background(), strings.Fields(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", line, err, want)
		}
		if left, _ := os.ReadDir(folder); len(left) > 0 {
			t.Errorf("%q leaves %v", line, left)
		}
	}
}

// The time of all files is the commit's, or SOURCE_DATE_EPOCH.
func TestEpoch(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1795975514")
	if at, err := epoch(t.Context()); err != nil || at.Unix() != 1795975514 {
		t.Errorf("%v, %v", at, err)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	if at, err := epoch(t.Context()); err == nil {
		t.Error(at)
	}
}

// README's table has every direct dependency, with its licence and the release in use. Make it
// anew by: go run ./cmd/nmgre/packaging dependencies.
func TestTableOfDependencies(t *testing.T) {
	atTop(t)
	list, err := direct(t.Context(), false)
	if err != nil || len(list) < 10 {
		t.Fatalf("%d modules, %v", len(list), err)
	}
	want, err := table(list)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("README.md")
	if slices.ContainsFunc(list, func(d dependency) bool { return d.Time == "" }) { // no proxy that knows the days
		day := regexp.MustCompile(`, [0-9-]* \|\n`)
		want, text = day.ReplaceAllString(want, " |\n"), day.ReplaceAll(text, []byte(" |\n"))
	}
	if err != nil || !strings.Contains(string(text), "\n"+want) {
		t.Errorf("README has another table than\n%s", want)
	}
	for path := range purposes {
		if !strings.Contains(want, "`"+path+"`") {
			t.Errorf("%s has a purpose, and is no dependency", path)
		}
	}
}

// Each symbol belongs to the package that it is from.
func TestPackageOf(t *testing.T) {
	for symbol, want := range map[string]string{
		"runtime.mallocgc": "runtime", "nmgre/routes/keep.(*LocalKeeper).Converge": "nmgre/routes/keep", "slices.SortFunc[go.shape.[]nmgre/nm.Profile,go.shape.int]": "slices",
		"charm.land/bubbletea/v2.(*Program).Run.func1": "charm.land/bubbletea/v2", "go.yaml.in/yaml/v3.init": "go.yaml.in/yaml/v3", "type:.eq.nmgre/nm.Profile": "", "go:func.*": "",
		"gopkg.in/x%2ey.F": "gopkg.in/x.y",
	} {
		if got := packageOf(symbol); got != want {
			t.Errorf("%s is of %q, want %q", symbol, got, want)
		}
	}
	sizes, err := packageSizes([]byte("  401000      100 T main.main\n  402000       20 R main.table\n  500000 33554432 D main.memory\n         U nothing\n"))
	if err != nil || sizes["main"] != 120 {
		t.Errorf("%v, %v", sizes, err)
	}
	if _, err := packageSizes(nil); err == nil {
		t.Error("a program has no symbols")
	}
}

// A fault of the network is none of nmgre's.
func TestUnreachable(t *testing.T) {
	for text, want := range map[string]bool{
		"govulncheck: fetching vulnerabilities: Get \"https://vuln.go.dev/index/modules.json.gz\": dial tcp: lookup vuln.go.dev: no such host": true,
		"govulncheck: loading packages: errors parsing go.mod":                                                                                 false,
	} {
		if got := unreachable(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
