package suggest

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nmgre/routes/fault"
)

// wordType is the type of --no-probe, which takes one of two words.
const wordType = "WORD"

// Refused turns cobra's error about a flag into one of nmgre's.
func Refused(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		if own := (*fault.Error)(nil); errors.As(err, &own) { // the value's own words
			return own
		}
		return valueError(invalid)
	}
	hint := cmp.Or(Flag(cmd, err.Error()), cmd.CommandPath()+" --help lists the flags")
	return &fault.Error{Kind: fault.ErrInvalid, What: fault.Printable(err.Error()), Hint: hint}
}

// valueError refuses a value that pflag cannot read. The flags that pflag reads itself are
// durations and booleans; nmgre reads all others from strings.
func valueError(invalid *pflag.InvalidValueError) error {
	flag := invalid.GetFlag()
	kind, hint := "true or false", "write it as --"+flag.Name+"=false"
	if flag.Value.Type() == "duration" {
		kind, hint = "a duration", "give a number with a unit, such as 10s or 1m"
	}
	if flag.Value.Type() == wordType {
		kind, hint = "always or never", "write it as --"+flag.Name+"=always, or --"+flag.Name+" alone for this command"
	}
	what := fmt.Sprintf("\"%s\" is not %s", fault.Printable(invalid.GetValue()), kind)
	return &fault.Error{Kind: fault.ErrInvalid, Field: flag.Name, What: what, Hint: hint}
}
