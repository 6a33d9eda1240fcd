package way

import (
	"fmt"
	"time"

	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/tui/draw"
)

// View is everything that is shown of the way.
type View struct {
	Tunnel nm.Tunnel
	Kept   []routes.Route // those that root keeps for it; there may be very many
	Report *verify.Report // the last one; nil if there is none
	At     time.Time      // when it was made
	Err    error          // why the last verification ended without one
	// Running says that a verification runs, which has made the checks SoFar.
	Running bool
	SoFar   []verify.Check
	// Evidence shows every check with its evidence, and not only those that found something.
	Evidence bool
	// Keys says that y and Y copy the commands of the first finding, for this host and for the far
	// end, and that i is the key of the evidence.
	Keys bool
}

// report is the last report, or one of the checks that a first verification has made so far.
func (v View) report() verify.Report {
	if v.Report != nil {
		return *v.Report
	}
	return verify.Report{Checks: v.SoFar}
}

// compactBelow is the height, in rows, below which the picture has no lines between its places, and
// compactNarrow is that of a narrow one, whose addresses stand below the places.
const (
	compactBelow  = 16
	compactNarrow = 22
)

// Lines are the verdict, the picture of the way, and below it the findings. The height is that of
// the window, in rows.
func Lines(th draw.Theme, v View, width, height int) []draw.Line {
	lines := v.head(th, width)
	if v.Report == nil && !v.Running {
		return lines
	}
	v.Keys = v.Keys && v.Report != nil // they are about the last report
	compact := height < compactBelow || width < roomy && height < compactNarrow
	lines = append(lines, Picture(th, v, width, compact)...)
	if !compact {
		lines = append(lines, draw.Text(""))
	}
	return append(lines, Findings(th, v, width)...)
}

// head has the verdict and its time, or the state of the verification.
func (v View) head(th draw.Theme, width int) []draw.Line {
	switch {
	case v.Running:
		text := fmt.Sprintf("verifying: the far end is probed %s %s made", th.Wait, fault.Count(len(v.SoFar), "check"))
		if v.Report != nil {
			text += "; this is the report of " + v.At.Format("15:04:05")
		}
		return draw.Wrapped(text, width, "", draw.Dim)
	case v.Err != nil:
		lines := draw.Wrapped(draw.ErrorText(v.Err), width, "", draw.Red)
		for _, hint := range fault.Hints(v.Err) {
			lines = append(lines, draw.Wrapped(fault.Printable(hint), width, "  ", draw.Plain)...)
		}
		return append(lines, draw.Text(""))
	case v.Report == nil:
		return []draw.Line{draw.Text("v verifies the tunnel, layer by layer")}
	}
	glyph, st := th.Verdict(v.Report.Verdict)
	verdict, when := glyph+" "+verdictText(v.Report.Verdict), "at "+v.At.Format("15:04:05")+"; v verifies again"
	if draw.Cells(verdict)+len(when)+2 <= width {
		return []draw.Line{{st.Of(verdict), draw.Dim.Of("  " + when)}}
	}
	return []draw.Line{draw.Styled(verdict, st), draw.Styled("  "+when, draw.Dim)}
}

// verdictText explains a verdict.
func verdictText(v verify.Verdict) string {
	switch v {
	case verify.Pass:
		return "pass: the tunnel carries traffic"
	case verify.Fail:
		return "fail: the tunnel has a fault"
	default:
		return "warn: look at the marked places"
	}
}
