// Packaging makes the files of a release of nmgre: deb, rpm and apk, tar archives, checksums and
// the list of the modules inside (SBOM). `make packages` and `make release` call it. It is a tool
// for those who build nmgre, and no part of the product.
//
//	packaging packages [-arch LIST] [-format LIST] [-version V] FOLDER
//	packaging release  [the same] FOLDER    the packages, tar archives, SBOM and checksums
//	packaging copyright                     prints all licences
//	packaging dependencies [-check]         prints README's table, or looks for newer ones
//	packaging size                          prints the size of nmgre by package
//
// nfpm.yaml is the one definition of the packages.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"

	"nmgre/cmd/nmgre/release"
)

// formats are the kinds of packages, by nfpm's names.
var formats = []string{"deb", "rpm", "apk"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "packaging: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("say what to make: packages, release, copyright, dependencies or size")
	}
	switch args[0] {
	case "packages", "release":
		return makeThem(ctx, args[0] == "release", args[1:])
	case "copyright":
		return printCopyright(ctx)
	case "dependencies":
		return dependencies(ctx, len(args) > 1 && args[1] == "-check")
	case "size":
		return printSize(ctx)
	}
	return fmt.Errorf("cannot make %q: say packages, release, copyright, dependencies or size", args[0])
}

// makeThem makes packages, and with all also the other files of a release.
func makeThem(ctx context.Context, all bool, args []string) error {
	flags := flag.NewFlagSet("packages", flag.ContinueOnError)
	var names []string
	for _, m := range machines {
		names = append(names, m.name)
	}
	arch := flags.String("arch", strings.Join(names, ","), "the processors")
	format := flags.String("format", strings.Join(formats, ","), "the kinds of packages")
	version := flags.String("version", release.Version, "the version")
	maintainer := flags.String("maintainer", "the nmgre authors <nmgre@localhost>", "who answers for the packages")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("name one folder for the packages")
	}
	if *maintainer == "" || strings.ContainsAny(*maintainer, "\n\"\\") {
		return fmt.Errorf("the maintainer %q is not a name with an address on one line", *maintainer)
	}
	r := &shipment{to: flags.Arg(0), version: *version, maintainer: *maintainer, formats: strings.Split(*format, ",")}
	for _, f := range r.formats {
		if !slices.Contains(formats, f) {
			return fmt.Errorf("%q is not one of %q", f, formats)
		}
	}
	for _, name := range strings.Split(*arch, ",") {
		at := slices.IndexFunc(machines, func(m machine) bool { return m.name == name })
		if at < 0 {
			return fmt.Errorf("%q is not one of %q", name, names)
		}
		r.machines = append(r.machines, machines[at])
	}
	return r.make(ctx, all)
}
