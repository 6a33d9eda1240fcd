package draw

import (
	"fmt"
	"slices"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/adopt"
	"nmgre/routes/fault"
)

// Adoption tells the fate of each part of a tunnel that was made by hand, those that are not taken
// first. It has as many lines as a question has room for on a screen of that height.
func Adoption(a adopt.Adoption, height int) []string {
	parts := slices.Clone(a.Parts)
	slices.SortStableFunc(parts, func(a, b adopt.Part) int { return rank(a) - rank(b) })
	var lines []string
	most := max(height-16, 4)
	for i, p := range parts {
		if i == most && len(parts) > most+1 {
			lines = append(lines, fmt.Sprintf("and %d more: nmgre adopt %s --dry-run", len(parts)-most, fault.Operand(a.Tunnel.Name)))
			break
		}
		lines = append(lines, fault.Printable(p.What)+": "+string(p.Fate))
	}
	return append(lines, "", "NetworkManager takes over the link as it is; no packet is to be lost. If something fails, everything is made as it was.")
}

func rank(p adopt.Part) int {
	if p.Fate == adopt.Taken {
		return 1
	}
	return 0
}

// AdoptHint is the word for the bottom line, for a tunnel that was made by hand only.
func AdoptHint(s *nmgre.Status) string {
	if s != nil && s.State == nm.StateExternal {
		return "adopt"
	}
	return ""
}
