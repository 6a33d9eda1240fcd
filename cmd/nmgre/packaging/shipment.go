package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The tools are pinned here. They run as the linter does, by `go run`: as a tool of go.mod each
// would bring a hundred modules into the list of nmgre's dependencies.
//
// From 2.46 on nfpm also makes packages for Windows, by a module that not every proxy has.
const (
	nfpm      = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0"
	cyclonedx = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0"
)

// machine is a kind of processor, by Go's name and nfpm's.
type machine struct {
	name   string // in the names of archives, and of nfpm but for armv7
	goarch string
	env    string // one more setting of Go's
	nfpm   string
}

var machines = []machine{
	{"amd64", "amd64", "GOAMD64=v1", "amd64"},
	{"arm64", "arm64", "GOARM64=v8.0", "arm64"},
	{"armv7", "arm", "GOARM=7", "arm7"},
	{"ppc64le", "ppc64le", "GOPPC64=power8", "ppc64le"},
	{"s390x", "s390x", "", "s390x"},
	{"riscv64", "riscv64", "GORISCV64=rva20u64", "riscv64"},
}

// environment returns this machine's environment without its own wishes for a program: two builds
// of the same files must be equal. `go env -w` keeps wishes too, and only a value that is not empty
// goes before those.
func (m machine) environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(setting string) bool {
		return strings.HasPrefix(setting, "GOEXPERIMENT=")
	})
	env = append(env, "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+m.goarch, "GOFLAGS="+shippedFlags(os.Getenv("GOFLAGS")), "GOFIPS140=off", "GOWORK=off")
	if m.env != "" {
		env = append(env, m.env)
	}
	return env
}

// flagWords are those of GOFLAGS. One with spaces has quotation marks around it.
var flagWords = regexp.MustCompile(`'[^']*'|"[^"]*"|[^ \t]+`)

// shippedFlags keeps the words of GOFLAGS that say where modules are found and how many processes
// run. All others, such as -tags and -gcflags, change the program.
func shippedFlags(flags string) string {
	kept := []string{"-trimpath"}
	for _, word := range flagWords.FindAllString(flags, -1) {
		if strings.HasPrefix(word, "-mod") || strings.HasPrefix(word, "-p=") {
			kept = append(kept, word)
		}
	}
	return strings.Join(kept, " ")
}

// shipment is a set of packages of one version.
type shipment struct {
	to         string // the folder
	version    string
	maintainer string
	formats    []string
	machines   []machine

	stage string    // a folder with all files that do not depend on the processor
	time  time.Time // of every file
}

var versions = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$`)

// make builds everything anew in the folder.
func (r *shipment) make(ctx context.Context, all bool) error {
	if !versions.MatchString(r.version) {
		return fmt.Errorf("the version %q is not like 1.2.3 or 1.2.3-rc.1", r.version)
	}
	var err error
	if r.time, err = epoch(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(r.to, 0o755); err != nil {
		return err
	}
	if r.stage, err = os.MkdirTemp(r.to, "stage."); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(r.stage) }()
	if err := r.fill(ctx); err != nil {
		return err
	}
	var made []string
	for _, m := range r.machines {
		files, err := r.makeFor(ctx, m, all)
		if err != nil {
			return err
		}
		made = append(made, files...)
	}
	if err := removeOthers(made); err != nil {
		return err
	}
	if !all {
		return nil
	}
	return writeSums(filepath.Join(r.to, "SHA256SUMS"), made)
}

// makeFor makes all files for one kind of processor, and returns their paths.
func (r *shipment) makeFor(ctx context.Context, m machine, all bool) (made []string, err error) {
	program := filepath.Join(r.stage, "nmgre")
	if err := r.build(ctx, m, program); err != nil {
		return nil, err
	}
	for _, format := range r.formats {
		name, err := r.pack(ctx, m, format)
		if err != nil {
			return nil, err
		}
		made = append(made, name)
	}
	if !all {
		return made, nil
	}
	base := filepath.Join(r.to, "nmgre_"+r.version+"_linux_"+m.name)
	if err := r.archive(base + ".tar.gz"); err != nil {
		return nil, err
	}
	return append(made, base+".tar.gz", base+".cdx.json"), r.list(ctx, program, base+".cdx.json")
}

// build builds the program. Without the table of symbols it is a quarter smaller; its name of the
// version, the commit and the date are in Go's build information all the same, and panics name
// their lines. The commit is wanted whatever settings this machine has.
func (r *shipment) build(ctx context.Context, m machine, to string) error {
	fmt.Fprintf(os.Stderr, "packaging: nmgre for %s\n", m.name)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=auto", "-ldflags", "-s -w -buildid= -X nmgre/cmd/nmgre/release.Version="+r.version, "-o", to, "./cmd/nmgre")
	cmd.Env = m.environment()
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build nmgre for %s: %w", m.name, err)
	}
	return os.Chtimes(to, r.time, r.time)
}

// pack has nfpm make one package, and returns its path.
func (r *shipment) pack(ctx context.Context, m machine, format string) (string, error) {
	text, err := os.ReadFile("cmd/nmgre/packaging/nfpm.yaml")
	if err != nil {
		return "", err
	}
	values := map[string]string{"ARCH": m.nfpm, "VERSION": r.version, "MAINTAINER": strconv.Quote(r.maintainer), "STAGE": r.stage}
	if format == "rpm" {
		values["CHANGELOG"] = filepath.Join(r.stage, "changelog.yaml")
	}
	config := filepath.Join(r.stage, "nfpm.yaml")
	if err := os.WriteFile(config, []byte(os.Expand(string(text), func(key string) string { return values[key] })), 0o600); err != nil {
		return "", err
	}
	said, err := tool(ctx, r.environment(), nfpm, "package", "--config", config, "--packager", format, "--target", r.to+"/")
	if err != nil {
		return "", err
	}
	_, name, found := strings.Cut(strings.TrimSpace(said), "created package: ")
	if !found {
		return "", fmt.Errorf("nfpm does not say the name of its %s: %q", format, said)
	}
	return name, r.settle(name)
}

func (r *shipment) environment() []string {
	return []string{"SOURCE_DATE_EPOCH=" + strconv.FormatInt(r.time.Unix(), 10)}
}

// stamp is the one field of a list that differs from run to run.
var stamp = regexp.MustCompile(`"timestamp": "[^"]*"`)

// list writes the modules that are linked into the program, with versions, checksums and licences
// (SBOM), in the form of CycloneDX.
func (r *shipment) list(ctx context.Context, program, to string) error {
	if _, err := tool(ctx, nil, cyclonedx, "bin", "-json", "-noserial", "-licenses", "-output", to, "-version", r.version, program); err != nil {
		return err
	}
	text, err := os.ReadFile(to)
	if err != nil {
		return err
	}
	text = stamp.ReplaceAll(text, []byte(`"timestamp": "`+r.time.Format(time.RFC3339)+`"`))
	if err := os.WriteFile(to, text, 0o644); err != nil {
		return err
	}
	return r.settle(to)
}

// tool runs a Go program at its pinned version, for this machine, and returns its output.
func tool(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"run", name}, args...)...)
	cmd.Env = append(os.Environ(), append(env, "CGO_ENABLED=0")...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// epoch returns the time of everything that is made: SOURCE_DATE_EPOCH, or else that of the commit
// (https://reproducible-builds.org/specs/source-date-epoch/).
func epoch(ctx context.Context) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		out, err := exec.CommandContext(ctx, "git", "log", "-1", "--format=%ct").Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("the time of the commit: %w (outside a repository, set SOURCE_DATE_EPOCH)", err)
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q is not a number of seconds", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
