package output

import (
	"fmt"
	"io"
	"strings"

	"nmgre/nm"
	"nmgre/routes/fault"
)

// Beyond notes the settings of the profile that are lost in a form of the tunnel, such as "the
// document".
func Beyond(w io.Writer, p nm.Profile, form string) {
	if len(p.Beyond) > 0 {
		fmt.Fprintf(w, "nmgre: note: %s leaves out what else the profile of %s has: %s\n", form, fault.Printable(p.Tunnel.Name), OneLine(strings.Join(p.Beyond, "; ")))
	}
}
