package ends

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/routes/fault"
)

// Zoned says that firewalld has a tunnel's device in another zone than the profile names, and what
// to do. name is the tunnel's for nmgre's own commands, dev its device. A zone that firewalld does
// not have comes from somebody else, or from a time when firewalld did not run.
func Zoned(ctx context.Context, zones nm.Zones, name, dev, want string, is nm.Zone) (summary, hint string) {
	wanted, actual := fault.Printable(want), fault.Printable(is.Name)
	names, err := zones.ZoneNames(ctx)
	if err == nil && len(names) > 0 && !slices.Contains(names, want) {
		choice := "one of " + strings.Join(names[:min(len(names), maxTold)], ", ")
		return fmt.Sprintf("firewalld has no zone %s, which the profile names: the tunnel is in its zone %s", wanted, actual),
			fmt.Sprintf("give it %s: nmgre edit %s --zone ZONE; or make that zone: sudo firewall-cmd --permanent --new-zone=%s; sudo firewall-cmd --reload", choice, fault.Operand(name), fault.ShellWord(want))
	}
	return fmt.Sprintf("firewalld has the tunnel in its zone %s, and the profile says %s", actual, wanted),
		fmt.Sprintf("NetworkManager puts it there again, while it stays up: nmcli device reapply %s; or keep the zone that it is in: nmgre edit %s --zone %s", fault.ShellWord(dev), fault.Operand(name), fault.ShellWord(is.Name))
}
