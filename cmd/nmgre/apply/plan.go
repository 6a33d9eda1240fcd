package apply

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/output"
	"nmgre/nm/document"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// planRun holds the flags of plan.
type planRun struct {
	file, end string
	json      bool
}

// Plan returns the command plan.
func (a App) Plan() *cobra.Command {
	var run planRun
	cmd := &cobra.Command{
		Use:   "plan -f FILE|-",
		Short: "show what a document means",
		Long: `plan reads a document and shows what it means: all its links, or with --end one host's part of them,
as the lines of nmgre create. It asks no host, changes nothing, and needs no rights.`,
		Example: `  nmgre plan -f mesh.yaml
  nmgre plan -f mesh.yaml --end paris
  nmgre plan -f mesh.yaml --json`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return a.plan(run) },
	}
	fileFlag(cmd, &run.file)
	cmd.Flags().StringVar(&run.end, "end", "", "show the tunnels of this host of the document")
	cmd.Flags().BoolVar(&run.json, "json", false, "print JSON")
	return cmd
}

func (a App) plan(run planRun) error {
	d, err := a.read(run.file)
	if err != nil {
		return err
	}
	for _, note := range d.Notes() {
		a.tell("%s", note)
	}
	if run.end == "" && len(d.Hosts()) > 0 {
		if err := d.CheckEnds(); err != nil {
			return err
		}
		return a.printLinks(d, run.json)
	}
	tunnels, err := d.Tunnels(run.end)
	if err != nil {
		return withField(err, "end")
	}
	if run.json {
		return output.JSON(a.Out, newEnd(run.end, tunnels))
	}
	for _, t := range tunnels {
		if t.Absent {
			fmt.Fprintf(a.Out, "nmgre delete %s\n", fault.Operand(t.Name))
			continue
		}
		fmt.Fprintln(a.Out, t.CreateCommand())
	}
	return nil
}

// withField names the flag that gives the host.
func withField(err error, field string) error {
	for _, one := range fault.Split(err) {
		fault.Walk(one, func(e *fault.Error) {
			if e.Field == "host" {
				e.Field, e.Hint = field, strings.ReplaceAll(e.Hint, "--host", "--"+field)
			}
		})
	}
	return err
}

// endForm is one host's part of a document.
type endForm struct {
	Host    string       `json:"host,omitempty"`
	Tunnels []wantedForm `json:"tunnels"`
}

// wantedForm is a tunnel of a document.
type wantedForm struct {
	Name   string         `json:"name"`
	State  string         `json:"state"` // present or absent
	Far    string         `json:"far,omitempty"`
	Fields map[string]any `json:"fields,omitempty"`
	Create string         `json:"create,omitempty"` // the line of nmgre create
}

func newEnd(host string, tunnels []document.Tunnel) endForm {
	out := endForm{Host: host, Tunnels: []wantedForm{}}
	for _, t := range tunnels {
		one := wantedForm{Name: t.Name, State: "absent", Far: t.Far}
		if !t.Absent {
			one.State, one.Fields, one.Create = "present", document.Fields(t.Tunnel), t.CreateCommand()
		}
		out.Tunnels = append(out.Tunnels, one)
	}
	return out
}

// linkForm is a link between two hosts of a document.
type linkForm struct {
	Hosts     [2]string   `json:"hosts"`
	Addresses [2][]string `json:"addresses"` // of each host, if they are of the pool or the link
	Key       *gre.Key    `json:"key,omitempty"`
	State     string      `json:"state"`
}

// linksForm is the output of plan --json for a document with hosts.
type linksForm struct {
	Hosts []string   `json:"hosts"`
	Links []linkForm `json:"links"`
}

// printLinks writes all links of a document.
func (a App) printLinks(d *document.Document, asJSON bool) error {
	links := d.Links()
	if asJSON {
		out := linksForm{Hosts: d.Hosts(), Links: make([]linkForm, len(links))}
		for i, l := range links {
			out.Links[i] = linkForm{Hosts: l.Hosts, Addresses: [2][]string{addressTexts(l.Addresses[0]), addressTexts(l.Addresses[1])}, Key: l.Key, State: state(l)}
		}
		return output.JSON(a.Out, out)
	}
	table := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "HOST\tADDRESS\tHOST\tADDRESS\tKEY")
	for _, l := range links {
		writeLink(table, l)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	a.tell("%s between %s; one host's part: nmgre plan -f FILE --end HOST", fault.Count(len(links), "link"), fault.Count(len(d.Hosts()), "host"))
	return nil
}

func writeLink(w io.Writer, l document.Link) {
	key := gre.KeyText(l.Key)
	if l.Absent {
		key = "absent"
	}
	one := func(i int) string {
		if len(l.Addresses[i]) == 0 {
			return "-"
		}
		return strings.Join(addressTexts(l.Addresses[i]), ",")
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.Hosts[0], one(0), l.Hosts[1], one(1), fallback(key))
}

func fallback(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func state(l document.Link) string {
	if l.Absent {
		return "absent"
	}
	return "present"
}

func addressTexts(list []netip.Prefix) []string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.String()
	}
	return out
}
