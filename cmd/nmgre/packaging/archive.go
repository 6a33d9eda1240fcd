package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// notArchived are files of the stage that only packages need.
var notArchived = []string{"nfpm.yaml", "changelog.yaml", "lintian-overrides", "changelog.gz", "changelog.Debian.gz", "postinst", "prerm", "postrm"}

// archive writes the stage as a tar archive that holds one folder. All its files are root's, and
// have the one time, so that two archives of the same commit are equal.
func (r *shipment) archive(name string) error {
	var b bytes.Buffer
	packed, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	w := tar.NewWriter(packed)
	top := strings.TrimSuffix(filepath.Base(name), ".tar.gz")
	err := filepath.WalkDir(r.stage, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(r.stage, path)
		if err != nil {
			return err
		}
		if slices.Contains(notArchived, rel) {
			return nil
		}
		return r.add(w, path, filepath.Join(top, rel), entry)
	})
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = packed.Close()
	}
	if err != nil {
		return err
	}
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		return err
	}
	return r.settle(name)
}

func (r *shipment) add(w *tar.Writer, path, name string, entry fs.DirEntry) error {
	header := &tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, ModTime: r.time, Uname: "root", Gname: "root", Format: tar.FormatUSTAR}
	var text []byte
	if !entry.IsDir() {
		var err error
		if text, err = os.ReadFile(path); err != nil {
			return err
		}
		header.Typeflag, header.Name, header.Size, header.Mode = tar.TypeReg, name, int64(len(text)), 0o644
		if filepath.Base(name) == "nmgre" && filepath.Dir(path) == r.stage {
			header.Mode = 0o755
		}
	}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err := w.Write(text)
	return err
}

// removeOthers removes those files beside the made ones that are the same of another version: a
// pattern such as nmgre_*_amd64.deb, which README has, means one file.
func removeOthers(made []string) error {
	for _, name := range made {
		others, err := filepath.Glob(filepath.Join(filepath.Dir(name), ofAnyVersion(filepath.Base(name))))
		if err != nil {
			return err
		}
		for _, other := range others {
			if other == filepath.Clean(name) {
				continue
			}
			if err := os.Remove(other); err != nil {
				return err
			}
		}
	}
	return nil
}

// ofAnyVersion returns the pattern of a made file's name: nmgre_1.2.3-1_amd64.deb and
// nmgre-1.2.3-1.x86_64.rpm are nmgre_[0-9]*_amd64.deb and nmgre-[0-9]*.x86_64.rpm.
func ofAnyVersion(name string) string {
	if parts := strings.SplitN(name, "_", 3); !strings.HasSuffix(name, ".rpm") && len(parts) == 3 {
		return parts[0] + "_[0-9]*_" + parts[2]
	}
	kind := strings.TrimSuffix(name, ".rpm")
	return "nmgre-[0-9]*" + kind[strings.LastIndexByte(kind, '.'):] + ".rpm"
}

// writeSums writes the checksums of files as sha256sum(1) does.
func writeSums(name string, files []string) error {
	var b strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(text), filepath.Base(file))
	}
	return os.WriteFile(name, []byte(b.String()), 0o644)
}
