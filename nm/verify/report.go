package verify

import (
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/place"
	"nmgre/routes/kernel"
)

// Report has all checks of a tunnel. Its JSON form is part of the command line's contract.
type Report struct {
	Tunnel  string  `json:"tunnel"`  // the interface's name
	Verdict Verdict `json:"verdict"` // the worst of the checks
	Checks  []Check `json:"checks"`
	// Works are the places of the way that the evidence shows to work, in its order. Nothing is
	// known of places that are not among them, and that no check names.
	Works []place.Place `json:"works"`
	// Link is the tunnel's link, with its latest counters. It is nil if there is no link.
	Link *kernel.Link `json:"-"`

	each func(Check) // is called with each check; may be nil
}

// Verdict is the outcome of a check or of a whole report.
type Verdict string

// The outcomes. A check is skipped when it cannot be made; its summary has the reason. A report is
// never skipped.
const (
	Pass Verdict = "pass"
	Warn Verdict = "warn"
	Fail Verdict = "fail"
	Skip Verdict = "skip"
)

// Certainty says how far an outcome can be trusted.
type Certainty = cause.Certainty

// The evidence of a proved outcome allows no other one. A likely outcome is the usual explanation
// of the evidence.
const (
	Proved = cause.Proved
	Likely = cause.Likely
)

// Check is the verification of one fact.
type Check struct {
	ID        string    `json:"id"` // stable, such as "link" or "route 10.10.2.0/24"
	Status    Verdict   `json:"status"`
	Certainty Certainty `json:"certainty"`
	Summary   string    `json:"summary"`  // the fact, in a sentence
	Evidence  string    `json:"evidence"` // the observation behind it
	Hint      string    `json:"hint"`     // the remedy; empty when none is needed
	// the ID of one of [cause.Causes]; empty if the check names none
	Cause string `json:"cause"`
	// the place of the way where the fault is, or the first where it may be; empty if the check
	// found none, or knows nothing of its place
	Place place.Place `json:"place"`
	Facts Facts       `json:"facts"` // the fields of the evidence
	// the part of the hint that is no command; empty if the check names no cause
	Advice string `json:"-"`
}

// Facts are fields of evidence.
type Facts = cause.Facts

// add appends a check. The verdict becomes as bad as the check, if it was better. A check that says
// its cause in its own words has the cause's place, and the command of its hint as a field.
func (r *Report) add(c Check) {
	if severity(c.Status) > 0 && c.Place == "" {
		c.Place = place.Of(c.Cause)
		c.readHint()
	}
	if severity(c.Status) > 0 && c.Place == "" && !c.looksFar() {
		c.Place = place.ThisHost
	}
	r.Checks = append(r.Checks, c)
	if r.each != nil {
		r.each(c)
	}
	if severity(c.Status) > severity(r.Verdict) {
		r.Verdict = c.Status
	}
}

// looksFar reports whether the check looks farther than this host, so that without a cause nothing
// is known of the place of its fault.
func (c *Check) looksFar() bool { return c.ID == probeID || strings.HasPrefix(c.ID, "to ") }

// readHint makes the command of the hint a field, as those of most causes are. The hint is an
// advice, and often a colon and a command.
func (c *Check) readHint() {
	advice, command, found := strings.Cut(c.Hint, ": ")
	mends := func(program string) bool { return strings.HasPrefix(command, program) }
	if found && c.Facts["mend_here"] == nil && slices.ContainsFunc([]string{"nmgre ", "sudo nmgre ", "nmcli "}, mends) {
		c.Advice, c.Facts = advice, c.Facts.With(Facts{"mend_here": command})
	}
}

// setWorks takes the places that work. One where a check has failed is none of them.
func (r *Report) setWorks(places []place.Place) {
	r.Works = slices.DeleteFunc(places, func(p place.Place) bool {
		return slices.ContainsFunc(r.Checks, func(c Check) bool { return c.Status == Fail && c.Place == p })
	})
}

// Saved replaces the check of the profile after the profile has been written to disk. The verdict
// stays.
func (r *Report) Saved(p nm.Profile) {
	for i := range r.Checks {
		if r.Checks[i].ID == profileID {
			r.Checks[i] = checkProfile(p, false)
		}
	}
}

// severity orders the outcomes. A skipped check counts as one that passed.
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

// LacksRoutes says whether the kernel lacks some of a long list of kept routes.
func (r Report) LacksRoutes() bool {
	return slices.ContainsFunc(r.Failures(), func(c Check) bool { return c.ID == LongListID })
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
