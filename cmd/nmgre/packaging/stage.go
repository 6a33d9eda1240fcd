package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"nmgre/cmd/ansible"
	"nmgre/cmd/nmgre/release"
)

// own are the files of this folder and of others that are shipped as they are, but for the words
// between @.
var own = []string{
	"cmd/nmgre/polkit/org.nmgre.policy.in",
	"cmd/nmgre/systemd/nmgre-follow.service.in",
	"cmd/nmgre/systemd/nmgre-follow.timer",
	"cmd/nmgre/packaging/org.nmgre.nmgre.desktop",
	"cmd/nmgre/packaging/org.nmgre.nmgre.svg",
	"cmd/nmgre/packaging/org.nmgre.nmgre.metainfo.xml",
	"cmd/nmgre/packaging/lintian-overrides",
	"cmd/nmgre/packaging/postinst", // an apk has their times, too
	"cmd/nmgre/packaging/prerm",
	"cmd/nmgre/packaging/postrm",
	"CHANGELOG.md",
	"LICENSE",
}

// fill writes everything into the stage that is the same for all processors.
func (r *shipment) fill(ctx context.Context) error {
	words := strings.NewReplacer("@nmgre@", "/usr/bin/nmgre", "@version@", r.version, "@date@", r.time.Format("2006-01-02"))
	for _, name := range own {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := r.write(strings.TrimSuffix(filepath.Base(name), ".in"), []byte(words.Replace(string(text)))); err != nil {
			return err
		}
	}
	if err := r.writeManual(ctx); err != nil {
		return err
	}
	if err := r.writeCompletions(ctx); err != nil {
		return err
	}
	if err := r.writeCollection(); err != nil {
		return err
	}
	text, err := copyright(ctx)
	if err != nil {
		return err
	}
	if err := r.write("copyright", []byte(text)); err != nil {
		return err
	}
	return r.writeChangelogs()
}

// write writes a file of the stage, with the time that all have.
func (r *shipment) write(name string, text []byte) error {
	path := filepath.Join(r.stage, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return err
	}
	return r.settle(path)
}

// settle gives a file its time and its mode, whatever the caller's umask is.
func (r *shipment) settle(path string) error {
	if err := os.Chmod(path, 0o644); err != nil {
		return err
	}
	return os.Chtimes(path, r.time, r.time)
}

// program runs nmgre from its source, for this machine, and returns its output.
func program(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"run", "-tags", "man", "./cmd/nmgre"}, args...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("nmgre %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}

// writeManual writes the pages of the manual, packed as every distribution has them.
func (r *shipment) writeManual(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "nmgre-man")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if _, err := program(ctx, "man", folder); err != nil {
		return err
	}
	pages, _ := filepath.Glob(filepath.Join(folder, "*.[1-9]")) // the pattern is valid
	if len(pages) == 0 {
		return errors.New("there are no manual pages")
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		if err := r.write("man/"+filepath.Base(page)+".gz", zipped(text)); err != nil {
			return err
		}
	}
	return nil
}

func (r *shipment) writeCompletions(ctx context.Context) error {
	for shell, name := range map[string]string{"bash": "nmgre", "zsh": "_nmgre", "fish": "nmgre.fish"} {
		text, err := program(ctx, "completion", shell)
		if err != nil {
			return err
		}
		if err := r.write("completions/"+name, text); err != nil {
			return err
		}
	}
	return nil
}

// writeCollection writes the Ansible collection, with the version of this shipment.
func (r *shipment) writeCollection() error {
	return fs.WalkDir(ansible.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := ansible.Files.ReadFile(name)
		if err != nil {
			return err
		}
		if name == "galaxy.yml" {
			text = bytes.Replace(text, []byte("version: "+release.Version), []byte("version: "+r.version), 1)
		}
		return r.write("collection/"+name, text)
	})
}

// zipped packs like `gzip -9n`: without a time and a name.
func zipped(text []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	_, _ = w.Write(text)                                  // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}
