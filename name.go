package nmgre

import (
	"fmt"
	"slices"
	"strings"
)

// maxName is the length of an interface's name, in bytes: IFNAMSIZ without the closing zero.
const maxName = 15

// fallbackDevices appear in every network namespace as soon as their module is loaded, and belong to the kernel.
var fallbackDevices = []string{"gre0", "gretap0", "erspan0", "ip6gre0", "ip6tnl0", "tunl0", "sit0", "ip_vti0", "ip6_vti0"}

// reservedNames mean something else to the kernel's sysctls or to NetworkManager.
var reservedNames = []string{"all", "default", "bonding_masters", "lo"}

const nameHint = "use 1 to 15 letters, digits, '-', '_' or '.', such as gre1"

// checkName returns what is wrong with name as the name of a new tunnel's interface, nil if nothing is.
func checkName(name string) *Error {
	switch {
	case name == "":
		return invalid("name", nameHint, "it is empty")
	case len(name) > maxName:
		return invalid("name", nameHint, "\"%.80s\" is %d bytes long, and the kernel takes 15", Printable(name), len(name))
	case slices.Contains(fallbackDevices, name):
		return invalid("name", "leave --name out to get the first free one of gre1, gre2, ...",
			"%s is a fallback device that the kernel makes by itself", name)
	case slices.Contains(reservedNames, name) || name == "." || name == "..":
		return invalid("name", nameHint, "%s means something else to the kernel or to NetworkManager", name)
	case strings.IndexFunc(name, notInName) >= 0:
		return invalid("name", nameHint, "%.80q has a character that interface names should not have", name)
	case name[0] == '-':
		return invalid("name", nameHint, "%.80q begins with '-', which commands take for an option", name)
	}
	return nil
}

// notInName is stricter than the kernel, which takes everything but white space, '/' and ':'.
func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r)
}

// FreeName returns the first of gre1, gre2, ... that is not taken.
func FreeName(taken map[string]bool) string {
	for i := 1; ; i++ {
		if name := fmt.Sprintf("gre%d", i); !taken[name] {
			return name
		}
	}
}
