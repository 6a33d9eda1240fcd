package firewalls

import (
	"fmt"

	"github.com/google/nftables"

	"nmgre/routes/keep"
)

// who names a chain, as the subject of a sentence.
func who(base *nftables.Chain, r keep.Ruling) string {
	switch {
	case r.Program == programFirewalld && r.Zone != "":
		return "firewalld's zone " + r.Zone
	case r.Program == programFirewalld || r.Program == programUFW:
		return r.Program
	case r.Program == programNFTables:
		return fmt.Sprintf("the chain %s of the nftables table %s %s", r.Base, r.Family, r.Table)
	case base.Table.Name == "filter":
		return r.Program + "' chain " + r.Base
	}
	return fmt.Sprintf("%s' chain %s of the table %s", r.Program, r.Base, r.Table)
}

// by names the rule. The rules of firewalld and ufw are not for people.
func by(r keep.Ruling) string {
	switch {
	case r.Program == programFirewalld || r.Program == programUFW:
		return ""
	case r.Handle == 0:
		return " (its policy)"
	case r.Chain != r.Base:
		return fmt.Sprintf(" (the rule with handle %d of the chain %s)", r.Handle, r.Chain)
	}
	return fmt.Sprintf(" (the rule with handle %d)", r.Handle)
}
