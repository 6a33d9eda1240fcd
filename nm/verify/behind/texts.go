package behind

import (
	"fmt"
	"strings"
	"time"

	"nmgre/routes/fault"
)

// ReachedText says from where an address is reached.
func (f Found) ReachedText() string {
	var texts []string
	for _, a := range f.Reached() {
		text := "a refusal of its own to " + a.Address.Addr().String()
		if len(a.Result.RTT) > 0 {
			text = fmt.Sprintf("an answer to %s after %s", a.Address.Addr(), a.Result.RTT[0].Round(10*time.Microsecond))
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

// NotAsked names the sources that nothing could be sent from.
func (f Found) NotAsked() string {
	var texts []string
	for _, a := range f.Asked {
		if a.Err != nil {
			texts = append(texts, fmt.Sprintf("not asked from %s: %s", a.Address.Addr(), fault.Printable(a.Err.Error())))
		}
	}
	return strings.Join(texts, "; ")
}
