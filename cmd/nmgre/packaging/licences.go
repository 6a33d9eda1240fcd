package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// module is a Go module of which a package is linked into nmgre. Go's own library is one, too.
type module struct {
	Path, Version, Dir string
	// Main is true for nmgre itself.
	Main bool
}

// linked returns the modules of all packages that nmgre is made of, on all of machines, in the
// order of their paths, nmgre first, and Go second.
func linked(ctx context.Context) ([]module, error) {
	found := make(map[string]module)
	for _, m := range machines {
		if err := linkedFor(ctx, m, found); err != nil {
			return nil, err
		}
	}
	goModule, err := standard(ctx)
	if err != nil {
		return nil, err
	}
	var list []module
	for _, path := range slices.Sorted(maps.Keys(found)) {
		if m := found[path]; m.Main {
			list = slices.Insert(list, 0, m)
		} else {
			list = append(list, m)
		}
	}
	return slices.Insert(list, 1, goModule), nil
}

func linkedFor(ctx context.Context, m machine, found map[string]module) error {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=Module", "./cmd/nmgre")
	cmd.Env = m.environment()
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("list what nmgre needs on %s: %w", m.name, err)
	}
	for packages := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct{ Module *module }
		switch err := packages.Decode(&p); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case p.Module != nil: // Go's own packages have none
			found[p.Module.Path] = *p.Module
		}
	}
}

// standard returns Go's own library as a module.
func standard(ctx context.Context) (module, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return module{}, fmt.Errorf("find Go's own library: %w", err)
	}
	lines := strings.Split(string(out), "\n")
	return module{Path: "Go's standard library", Version: lines[1], Dir: lines[0]}, nil
}

// licenceFiles returns the files of a module's folder that have its licence or say whose it is.
func licenceFiles(m module) ([]string, error) {
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		name := strings.ToUpper(entry.Name())
		for _, begin := range []string{"LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"} {
			if entry.Type().IsRegular() && strings.HasPrefix(name, begin) && !strings.HasSuffix(name, ".GO") {
				files = append(files, filepath.Join(m.Dir, entry.Name()))
				break
			}
		}
	}
	return files, nil
}

// licences returns the text of a module's licence, and its name by SPDX.
func licences(m module) (text, name string, err error) {
	files, err := licenceFiles(m)
	if err != nil {
		return "", "", err
	}
	var b strings.Builder
	for _, file := range files {
		one, err := os.ReadFile(file)
		if err != nil {
			return "", "", err
		}
		name += " " + spdx(string(one))
		b.WriteString(strings.TrimRight(strings.ReplaceAll(string(one), "\r\n", "\n"), "\n") + "\n")
	}
	names := strings.Fields(name)
	slices.Sort(names)
	if names = slices.Compact(names); len(names) == 0 {
		return "", "", fmt.Errorf("%s %s has no licence that is known: look into %s", m.Path, m.Version, m.Dir)
	}
	return b.String(), strings.Join(names, " AND "), nil
}

// spdx returns the name of a licence by a sentence that only its text has
// (https://spdx.org/licenses). It is empty for a text that it does not know, such as a notice.
func spdx(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	has := func(part string) bool { return strings.Contains(text, part) }
	var names []string
	if has("Apache License Version 2.0") || has("Licensed under the Apache License, Version 2.0") {
		names = append(names, "Apache-2.0")
	}
	if has("Permission is hereby granted, free of charge, to any person obtaining a copy") {
		names = append(names, "MIT")
	}
	if has("Permission to use, copy, modify, and/or distribute this software") || has("Permission to use, copy, modify, and distribute this software") {
		names = append(names, "ISC")
	}
	if has("Redistributions in binary form must reproduce the above copyright notice") {
		if has("Neither the name") || has("may not be used to endorse") || has("may be used to endorse") {
			names = append(names, "BSD-3-Clause")
		} else {
			names = append(names, "BSD-2-Clause")
		}
	}
	return strings.Join(names, " ")
}

// copyright returns the text with nmgre's licence and those of all that is linked into it.
func copyright(ctx context.Context) (string, error) {
	modules, err := linked(ctx)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("nmgre is one program, with everything linked into it. These are its licence, and the\nlicences of the Go modules that parts of it come from.\n")
	for _, m := range modules {
		text, name, err := licences(m)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\n%s\n%s\nLicense: %s\n\n%s", strings.Repeat("-", 78), strings.TrimSpace(m.Path+" "+m.Version), name, text)
	}
	return b.String(), nil
}

func printCopyright(ctx context.Context) error {
	text, err := copyright(ctx)
	fmt.Print(text)
	return err
}
