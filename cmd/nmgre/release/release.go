// Package release knows which nmgre this is: its version, and the commit that it was built from.
package release

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/output"
	"nmgre/routes/fault"
)

// Version is the release. The linker may replace it:
// go build -ldflags '-X nmgre/cmd/nmgre/release.Version=1.2.3'.
var Version = "0.1.0"

// Build is one build of nmgre, as version --json prints it.
type Build struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	// Commit is the full name of the commit, and Date its time (RFC 3339, UTC). Both are empty in
	// a program that was built outside a repository, or with -buildvcs=false.
	Commit string `json:"commit,omitempty"`
	Date   string `json:"date,omitempty"`
	// Modified is true if files had changed since that commit.
	Modified bool `json:"modified,omitempty"`
}

// This returns the build that runs, by Go's build information (runtime/debug.ReadBuildInfo).
func This() Build {
	info, _ := debug.ReadBuildInfo() // a nil one has no settings
	return of(info)
}

func of(info *debug.BuildInfo) Build {
	b := Build{Version: Version, Go: runtime.Version()}
	if info == nil {
		return b
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			b.Commit = setting.Value
		case "vcs.time":
			b.Date = setting.Value
		case "vcs.modified":
			b.Modified = setting.Value == "true"
		}
	}
	return b
}

// String returns the line that version prints, such as
// "nmgre 0.1.0 (go1.26.8, commit 85abec0c1f2d, 2026-11-29T18:05:14Z)".
func (b Build) String() string {
	text := "nmgre " + b.Version + " (" + b.Go
	if b.Commit != "" {
		text += ", commit " + b.Commit[:min(len(b.Commit), 12)]
	}
	if b.Modified {
		text += " with changes"
	}
	if b.Date != "" {
		text += ", " + b.Date
	}
	return text + ")"
}

// Command returns the command version, which prints to out.
func Command(out io.Writer) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "print nmgre's version",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return &fault.Error{Kind: fault.ErrInvalid, What: "unexpected argument " + fault.Printable(args[0]), Hint: cmd.CommandPath() + " takes flags only"}
		},
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return output.JSON(out, This())
			}
			_, err := fmt.Fprintln(out, This())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
