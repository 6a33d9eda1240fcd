package verify

import (
	"nmgre/nm"
	"nmgre/routes/kernel"
)

// Report has the checks of a tunnel, one by one. Its JSON form is part of the command line's
// contract.
type Report struct {
	Tunnel  string  `json:"tunnel"`  // the interface's name
	Verdict Verdict `json:"verdict"` // the worst of the checks
	Checks  []Check `json:"checks"`
	// Link is the tunnel's link as it was seen last; nil if there is none.
	Link *kernel.Link `json:"-"`

	each func(Check) // is told of each check as it comes in; may be nil
}

// Verdict is the outcome of a check or of a whole report.
type Verdict string

// The outcomes. Only a check can be skipped: it could not be made, for a reason that its summary
// gives.
const (
	Pass Verdict = "pass"
	Warn Verdict = "warn"
	Fail Verdict = "fail"
	Skip Verdict = "skip"
)

// Certainty says how much an outcome is worth.
type Certainty string

// A proved outcome stands on evidence that allows no other. A likely one is the usual explanation
// of the evidence.
const (
	Proved Certainty = "proved"
	Likely Certainty = "likely"
)

// Check is one verified fact.
type Check struct {
	ID        string    `json:"id"` // stable, such as "link" or "route 10.10.2.0/24"
	Status    Verdict   `json:"status"`
	Certainty Certainty `json:"certainty"`
	Summary   string    `json:"summary"`  // the fact, in a sentence
	Evidence  string    `json:"evidence"` // the observation behind it
	Hint      string    `json:"hint"`     // the remedy; empty when none is needed
}

// add appends a check and lets it worsen the verdict.
func (r *Report) add(c Check) {
	r.Checks = append(r.Checks, c)
	if r.each != nil {
		r.each(c)
	}
	if severity(c.Status) > severity(r.Verdict) {
		r.Verdict = c.Status
	}
}

// Saved notes that the tunnel's profile has been written to disk since the checks were made. The
// verdict stays.
func (r *Report) Saved(p nm.Profile) {
	for i := range r.Checks {
		if r.Checks[i].ID == profileID {
			r.Checks[i] = checkProfile(p, false)
		}
	}
}

// severity orders the outcomes. A skipped check says nothing.
func severity(v Verdict) int {
	switch v {
	case Fail:
		return 2
	case Warn:
		return 1
	default:
		return 0
	}
}

// Failures returns the checks that failed.
func (r Report) Failures() []Check {
	var failed []Check
	for _, c := range r.Checks {
		if c.Status == Fail {
			failed = append(failed, c)
		}
	}
	return failed
}
