package suggest

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/rule"
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
	if kind := specKind(cmd); kind != "" {
		if err := specError(kind, cmd.Flags().Args(), err.Error()); err != nil {
			return err
		}
		hint += "; the words of a " + kind + " have no dashes"
	}
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

// specKind says whether the command takes the words of a route or of a rule. It is empty for the
// others.
func specKind(cmd *cobra.Command) string {
	if _, words, _ := strings.Cut(cmd.Use, " NAME "); words == "[ROUTE]" || words == "[RULE]" {
		return cmd.Parent().Name()
	}
	return ""
}

// specError refuses a number below 0 among the words of a route or a rule, as these do themselves:
// pflag takes it for a flag. The words are those before it, from the tunnel's name on. The result
// is nil for other errors.
func specError(kind string, words []string, text string) error {
	_, word, ok := strings.Cut(text, " in -")
	if !ok || len(words) < 2 {
		return nil
	}
	if _, err := strconv.ParseUint(word, 10, 64); err != nil {
		return nil //nolint:nilerr // it is a flag
	}
	spec, err := strings.Join(words[1:], " ")+" -"+word, error(nil)
	if kind == "rule" {
		_, err = rule.Parse(spec)
	} else {
		_, err = routes.Parse(spec)
	}
	return err
}
