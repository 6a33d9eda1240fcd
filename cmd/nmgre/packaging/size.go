package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// printSize prints the size of nmgre, as it is built, and the part of each package. A package's
// part is its code and data. The tables of functions and types and the symbols, which the linker
// adds, belong to none, and are shown as the rest.
func printSize(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "nmgre-size")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	whole, shipped := filepath.Join(folder, "whole"), filepath.Join(folder, "shipped")
	for to, flags := range map[string]string{whole: "", shipped: "-s -w"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", flags, "-o", to, "./cmd/nmgre")
		cmd.Env = machine{goarch: runtime.GOARCH}.environment()
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build nmgre: %w\n%s", err, out)
		}
	}
	symbols, err := exec.CommandContext(ctx, "go", "tool", "nm", "-size", "-type", whole).Output()
	if err != nil {
		return fmt.Errorf("list the symbols of nmgre: %w", err)
	}
	sizes, err := packageSizes(symbols)
	if err != nil {
		return err
	}
	with, without := sizeOf(whole), sizeOf(shipped)
	fmt.Printf("%9d  nmgre with symbols and debugging data\n%9d  as it is shipped, without them\n\n", with, without)
	rest := without
	for _, name := range slices.SortedFunc(maps.Keys(sizes), func(a, b string) int { return cmp.Or(cmp.Compare(sizes[b], sizes[a]), cmp.Compare(a, b)) }) {
		rest -= sizes[name]
		if sizes[name] >= 1000 {
			fmt.Printf("%9d  %s\n", sizes[name], name)
		}
	}
	fmt.Printf("%9d  the rest: smaller packages, and the linker's tables of functions, types and strings\n", rest)
	return nil
}

func sizeOf(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}

// packageSizes adds up the sizes that `go tool nm -size -type` prints, by package. Memory that the
// program asks the kernel for when it starts (.bss) is not in the file; nm shows it as data, so
// that data larger than the largest table of a program does not count.
func packageSizes(symbols []byte) (map[string]int64, error) {
	const largestTable = 1 << 20
	sizes := make(map[string]int64)
	for lines := bufio.NewScanner(bytes.NewReader(symbols)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 4 {
			continue
		}
		size, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("nm says %q", lines.Text())
		}
		data := strings.ContainsAny(words[2], "bBdD")
		if name := packageOf(words[3]); name != "" && (!data || size < largestTable) {
			sizes[name] += size
		}
	}
	if len(sizes) == 0 {
		return nil, fmt.Errorf("nm lists no symbols")
	}
	return sizes, nil
}

// packageOf returns the import path of a symbol's package, and nothing for the linker's own.
func packageOf(symbol string) string {
	if strings.HasPrefix(symbol, "go:") || strings.HasPrefix(symbol, "type:") || strings.HasPrefix(symbol, "$") || strings.HasPrefix(symbol, "_") {
		return ""
	}
	if at := strings.IndexAny(symbol, "[("); at >= 0 { // a type's parameters and receivers have paths, too
		symbol = symbol[:at]
	}
	folder, last := "", symbol
	if at := strings.LastIndexByte(symbol, '/'); at >= 0 {
		folder, last = symbol[:at+1], symbol[at+1:]
	}
	name, _, found := strings.Cut(last, ".")
	if !found {
		return ""
	}
	return strings.ReplaceAll(folder+name, "%2e", ".")
}
