// Package foreign is the part of the command line that is about links and notations of others: the
// commands import and adopt, and the flags --as and --end. The commands of package main hang it in.
package foreign

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/cmd/nmgre/around"
	"nmgre/cmd/nmgre/output"
	"nmgre/nm/notation/every"
	"nmgre/nm/notation/importer"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// App is the program around the commands.
type App struct{ around.Program }

// importRun holds the flags of import.
type importRun struct {
	opts                  importer.Options
	dryRun, noProbe, json bool
	wait                  time.Duration
}

// Command returns the command import.
func Command(a App) *cobra.Command {
	var run importRun
	cmd := &cobra.Command{
		Use:   "import FILE|-",
		Short: "make the tunnels of a file in another notation",
		Long: `import reads the tunnels of a file, or of standard input, in another notation, and makes them: all of
them or none. It says of each line whether it was taken, is not needed, or is not possible, and why.
Nothing of the input is run. Files that belong to the given one and stand beside it, such as
route-tun0 beside ifcfg-tun0, are read as well.

The input is this end's. With --far it is the far end's, and this end is made as its mirror.

The notations, for --from, and for --as of show and create:
` + every.Table(),
		Example: `  nmgre import /etc/sysconfig/network-scripts/ifcfg-tun0 --dry-run
  nmgre import /etc/rc.local
  nmgre import --far --from cisco-ios running-config.txt`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] != "" {
				return nil
			}
			return fault.Invalid("", "write it as: nmgre import FILE, or nmgre import - for standard input", "give one file")
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.Check(run.wait); err != nil {
				return err
			}
			text, err := a.readInput(args[0])
			if err != nil {
				return err
			}
			return a.WithHost(cmd.Context(), func(host *nmgre.Host) error { return a.importAll(cmd.Context(), host, text, run) })
		},
	}
	cmd.Flags().StringVar(&run.opts.From, "from", "", "the notation of the input (default: recognised by itself)")
	cmd.Flags().BoolVar(&run.opts.Far, "far", false, "the input is the far end's: make this end as its mirror")
	cmd.Flags().BoolVar(&run.opts.Strict, "strict", false, "refuse an input with a line that is not possible")
	cmd.Flags().BoolVar(&run.dryRun, "dry-run", false, "print every line and every step, and change nothing")
	cmd.Flags().BoolVar(&run.noProbe, "no-probe", false, "do not probe the far ends")
	complete(cmd, "from", every.Names(true))
	a.Flags(cmd, &run.wait, &run.json)
	cmd.Flags().Lookup("wait").Usage = "how long each tunnel may take, such as 10s or 1m"
	return cmd
}

// complete completes a flag with fixed words.
func complete(cmd *cobra.Command, flag string, words []string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)) // it fails for flags that are not there
}

// maxProbed is up to how many far ends are probed, each in its turn.
const maxProbed = 20

// readInput reads a file with those beside it, or standard input.
func (a App) readInput(name string) (string, error) {
	if name == "-" {
		return readText(a.In, "standard input")
	}
	file, err := os.Open(name)
	if err != nil {
		return "", notRead(err.Error())
	}
	text, err := readText(file, name)
	_ = file.Close() // it was only read
	if err != nil {
		return "", err
	}
	names, texts := []string{name}, []string{text}
	for _, one := range importer.Beside(name, text) {
		one = filepath.Join(filepath.Dir(name), one)
		file, err := os.Open(one)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", notRead(err.Error())
		}
		text, err := readText(file, one)
		_ = file.Close() // it was only read
		if err != nil {
			return "", err
		}
		names, texts = append(names, one), append(texts, text)
	}
	if len(names) == 1 && !strings.HasPrefix(filepath.Base(name), "ifcfg-") { // the name says which device it is for
		return text, nil
	}
	return importer.Join(names, texts), nil
}

func notRead(why string) error {
	return &fault.Error{Kind: fault.ErrInvalid, What: fault.Printable(why), Hint: "give a file, or - for standard input"}
}

func readText(in io.Reader, name string) (string, error) {
	text, err := io.ReadAll(io.LimitReader(in, importer.MaxInput+1))
	if err != nil {
		return "", notRead(name + ": " + err.Error())
	}
	return string(text), nil
}

// importAll makes the tunnels of an input.
func (a App) importAll(ctx context.Context, host *nmgre.Host, text string, run importRun) error {
	confirm := a.Confirm()
	links, err := host.Kernel.Links(ctx)
	if err != nil {
		return err
	}
	run.opts.Names = a.Names()
	run.opts.Held = func(addr netip.Addr) bool { return kernel.Holding(links, addr) != nil }
	im, err := importer.Read(text, run.opts)
	if err != nil {
		output.ImportLines(a.Err, im, false)
		return err
	}
	// Each of several tunnels may take the time of one.
	ctx, cancel := context.WithTimeout(ctx, run.wait*time.Duration(len(im.Tunnels))+confirm)
	defer cancel()
	plans, errs, err := host.PlanAll(ctx, im.Tunnels)
	if err == nil {
		err = im.Place(errs)
	}
	if err != nil {
		output.ImportLines(a.Err, im, false)
		return err
	}
	if !run.json || !run.dryRun {
		for _, note := range im.Notes {
			fmt.Fprintf(a.Err, "nmgre: %s\n", output.OneLine(note))
		}
	}
	if run.dryRun {
		return output.ImportPlans(a.Out, im, plans, run.json)
	}
	output.ImportLines(a.Err, im, false)
	if confirm > 0 {
		defer a.Watch()()
	}
	if len(plans) > maxProbed && !run.noProbe {
		run.noProbe = true
		fmt.Fprintf(a.Err, "nmgre: so many far ends are not probed one after another: nmgre verify --all asks them together\n")
	}
	made, err := host.CreateAll(ctx, plans, nmgre.CreateOptions{NoProbe: run.noProbe})
	if err != nil {
		return a.Begun(err)
	}
	return output.Imported(a.Out, im, plans, made, run.json)
}
