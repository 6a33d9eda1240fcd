package values

import "nmgre/routes/fault"

// Once is the value of a flag with several names. Two values that differ are a mistake, since
// neither name corrects the other.
type Once struct {
	Field string  // the flag's name in errors
	Names string  // all of them, for the hint
	Into  *string // where the value goes
	given bool
}

// String returns the value.
func (o *Once) String() string {
	if o.Into == nil {
		return ""
	}
	return *o.Into
}

// Type is pflag's word for the kind of the value.
func (o *Once) Type() string { return "string" }

// Set takes the value. It fails with [fault.ErrInvalid] for a second one that differs.
func (o *Once) Set(text string) error {
	if o.given && *o.Into != text {
		return fault.Invalid(o.Field, "give one of them: "+o.Names+" are the same", "it is given twice, as %.80s and as %.80s", fault.Printable(*o.Into), fault.Printable(text))
	}
	*o.Into, o.given = text, true
	return nil
}
