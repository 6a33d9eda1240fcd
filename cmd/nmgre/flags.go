package main

import (
	"errors"
	"strings"

	"github.com/spf13/pflag"

	"nmgre/routes/fault"
)

// asPeer makes --remote, iproute2's and NetworkManager's word, the same flag as --peer.
func asPeer(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if name == "remote" {
		name = "peer"
	}
	return pflag.NormalizedName(name)
}

// refuseEmpty refuses flags that were given without a value, as by an unset variable of a script.
func refuseEmpty(flags *pflag.FlagSet) error {
	var errs []error
	flags.Visit(func(flag *pflag.Flag) {
		if flag.Value.Type() == "string" && flag.Value.String() == "" {
			hint := "give a value, or leave --" + flag.Name + " out"
			if strings.Contains(flag.Usage, "or none") {
				hint = "give a value or the word none, or leave --" + flag.Name + " out"
			}
			errs = append(errs, fault.Invalid(flag.Name, hint, "the value is empty"))
		}
	})
	return errors.Join(errs...)
}
