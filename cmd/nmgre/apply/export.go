package apply

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/cmd/nmgre/output"
	"nmgre/nm"
	"nmgre/nm/document"
	"nmgre/nm/find"
	"nmgre/routes/fault"
)

// Export returns the command export.
func (a App) Export() *cobra.Command {
	return &cobra.Command{
		Use:   "export [NAME]...",
		Short: "write the document of the tunnels that are there",
		Long: `export writes a YAML document with this host's tunnels, or with those that are named, as nmgre apply
reads it. Applied to this host, it changes nothing. Tunnels that were made by hand are left out:
NetworkManager only mirrors them. Settings of a profile that a document cannot hold, such as DNS
servers, are named on standard error.`,
		Example: `  nmgre export > tunnels.yaml
  nmgre export gre1 gre2`,
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.WithHost(cmd.Context(), func(host *nmgre.Host) error { return a.export(cmd.Context(), host, names) })
		},
	}
}

func (a App) export(ctx context.Context, host *nmgre.Host, names []string) error {
	list, err := host.List(ctx)
	if err != nil {
		return err
	}
	chosen, err := choose(list, names)
	if err != nil {
		return err
	}
	var tunnels []nm.Tunnel
	seen := make(map[string]bool)
	for _, s := range chosen {
		switch name := s.Tunnel.Name; {
		case s.State == nm.StateExternal:
			a.tell("%s was made by hand, and is left out", fault.Printable(name))
		case seen[name]:
			return fault.Invalid("", "delete all but one, by their UUIDs: nmgre delete "+s.UUID, "there are several profiles for the interface %s", fault.Printable(name))
		default:
			seen[name] = true
			tunnels = append(tunnels, s.Tunnel.WithKept(s.Kept))
			output.Beyond(a.Err, s.Profile, "the document")
		}
	}
	_, err = fmt.Fprint(a.Out, document.Write(tunnels))
	return err
}

// choose returns the named tunnels, or all of them where none is named.
func choose(list []nmgre.Status, names []string) ([]nmgre.Status, error) {
	if len(names) == 0 {
		return list, nil
	}
	profiles := make([]nm.Profile, len(list))
	for i, s := range list {
		profiles[i] = s.Profile
	}
	var chosen []nmgre.Status
	for _, name := range names {
		p, err := find.ByName(profiles, name)
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			if s.UUID == p.UUID {
				chosen = append(chosen, s)
			}
		}
	}
	return chosen, nil
}
