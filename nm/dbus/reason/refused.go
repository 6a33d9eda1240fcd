package reason

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"nmgre/routes/fault"
)

// KernelRefused is the error of a link that the kernel did not make for NetworkManager. op names
// the attempt, text is NetworkManager's, and hint counts where the text has none of its own.
func KernelRefused(op, text, hint string) error {
	e := &fault.Error{What: op + ": " + text, Hint: cmp.Or(HintFor(text), hint)}
	switch {
	case strings.Contains(text, "Operation not supported") || strings.Contains(text, "Protocol not supported"):
		e.Kind = fault.ErrUnsupported
	case strings.Contains(text, "File exists"):
		e.Kind = fault.ErrExists
	}
	return e
}

// property finds "setting.property: reason" in NetworkManager's texts.
const property = `(?:^|: )([a-z0-9-]+\.[a-z0-9-]+): (.+)$`

// InvalidSetting is the error of a refused property. Its Field is the flag that the property comes
// from.
func InvalidSetting(op, text string) error {
	e := &fault.Error{Kind: fault.ErrInvalid, What: op + ": " + text}
	if m := regexp.MustCompile(property).FindStringSubmatch(text); m != nil {
		e.Field = Flag(m[1])
		e.What = fmt.Sprintf("NetworkManager refuses %s: %s", m[1], m[2])
	}
	return e
}
