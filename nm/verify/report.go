package verify

// Report is what was verified of a tunnel, check by check. Its JSON form is part of the command
// line's contract.
type Report struct {
	Tunnel  string  `json:"tunnel"`  // the interface's name
	Verdict Verdict `json:"verdict"` // the worst of the checks
	Checks  []Check `json:"checks"`

	each func(Check) // is told of each check as it comes in; may be nil
}

// Verdict is the outcome of a check or of a whole report.
type Verdict string

// The outcomes. Only a check is skipped: one that could not be made, for a reason that its summary
// gives.
const (
	Pass Verdict = "pass"
	Warn Verdict = "warn"
	Fail Verdict = "fail"
	Skip Verdict = "skip"
)

// Certainty says how much an outcome is worth.
type Certainty string

// Proved stands on evidence that allows nothing else; likely, on what usually explains the
// evidence.
const (
	Proved Certainty = "proved"
	Likely Certainty = "likely"
)

// Check is one verified fact.
type Check struct {
	ID        string    `json:"id"` // stable, such as "link" or "route 10.10.2.0/24"
	Status    Verdict   `json:"status"`
	Certainty Certainty `json:"certainty"`
	Summary   string    `json:"summary"`  // what is so, in a sentence
	Evidence  string    `json:"evidence"` // what was seen
	Hint      string    `json:"hint"`     // what to do; empty when there is nothing to do
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

// Replace puts c in the place of the check with its ID. The verdict stays: it is for checks that
// find the same in other words.
func (r *Report) Replace(c Check) {
	for i := range r.Checks {
		if r.Checks[i].ID == c.ID {
			r.Checks[i] = c
		}
	}
}

// severity orders the outcomes; what was skipped says nothing.
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
