package keep

import (
	"errors"
	"slices"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// problem is a failure of one step. The other steps are taken all the same.
type problem struct {
	of  []string // the UUIDs of the tunnels that lack it; nil if it concerns all
	err error
}

// problems are the failures of one run.
type problems []problem

// add notes a problem of the tunnels with those UUIDs, or of all tunnels if none is given. A nil
// error is no problem.
func (p *problems) add(err error, of ...string) {
	if err != nil {
		*p = append(*p, problem{of, err})
	}
}

// split returns, as one error, the problems of the tunnel with that UUID and those that concern
// all tunnels. The problems of other tunnels come as sentences. For an empty UUID all are in the
// error. It leaves out the bare error ended, which may be nil.
func (p problems) split(uuid string, ended error) (others []string, err error) {
	var own []error
	for _, one := range p {
		if one.err == ended { //nolint:errorlint // a wrapped one names the step that failed
			continue
		}
		if uuid == "" || one.of == nil || slices.Contains(one.of, uuid) {
			own = append(own, one.err)
			continue
		}
		others = append(others, fault.Printable(one.err.Error()))
	}
	return others, errors.Join(own...)
}

// RefusedRules is the error of [Gateway.SetRules] when the kernel has taken all rules but some.
// Their indexes are those of the wanted rules.
type RefusedRules []kernel.Refusal

// Error names the first rule that was refused.
func (r RefusedRules) Error() string {
	if len(r) == 0 {
		return "no rule was refused"
	}
	return r[0].Err.Error()
}

// Unwrap returns the errors of the rules.
func (r RefusedRules) Unwrap() []error {
	list := make([]error, len(r))
	for i := range r {
		list[i] = r[i].Err
	}
	return list
}
