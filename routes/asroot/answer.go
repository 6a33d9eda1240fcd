package asroot

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Bounds of an answer, in bytes, and of its content.
const (
	maxAnswer   = 16 << 20
	maxCount    = 4 << 20 // routes
	maxRefused  = 10_000
	maxTroubles = 1000
)

// answerMark is the first line of an answer. It shows that the helper runs. The number is the
// version of the format.
const answerMark = "nmgre-answer 1"

// messageJSON is one of the lines that follow: any number of times the helper's progress, and once,
// at the end, its result.
type messageJSON struct {
	Progress *progressJSON `json:"progress,omitempty"`
	Result   *resultJSON   `json:"result,omitempty"`
}

type progressJSON struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}

// resultJSON is the result of a Keeper. Of the routes it holds only the counts: their indexes are
// into the list of all tunnels' routes, which the caller does not know.
type resultJSON struct {
	Added     int           `json:"added"`
	Replaced  int           `json:"replaced"`
	Unchanged int           `json:"unchanged"`
	Removed   int           `json:"removed"`
	Changed   bool          `json:"changed"`
	Refused   []refusalJSON `json:"refused,omitempty"`
	Trouble   []string      `json:"trouble,omitempty"`
	Error     *failureJSON  `json:"error,omitempty"`
}

type refusalJSON struct {
	Index int         `json:"index"`
	Error failureJSON `json:"error"`
}

// encodeResult encodes the result of a Keeper. It cuts very long lists, and limits very large
// counts.
func encodeResult(c keep.Converged, err error) resultJSON {
	r := resultJSON{Changed: c.Changed, Trouble: c.Trouble[:min(len(c.Trouble), maxTroubles)],
		Added: min(len(c.Routes.Added), maxCount), Replaced: min(len(c.Routes.Replaced), maxCount),
		Unchanged: min(c.Routes.Unchanged, maxCount), Removed: min(c.Routes.Removed, maxCount)}
	for _, refusal := range c.Refused[:min(len(c.Refused), maxRefused)] {
		r.Refused = append(r.Refused, refusalJSON{refusal.Index, encodeError(refusal.Err, 0)})
	}
	if err != nil {
		f := encodeError(err, 0)
		r.Error = &f
	}
	return r
}

// decode returns the result of the helper's Keeper, with all texts made printable. Added and
// Replaced have the right lengths, but every index in them is -1.
func (r resultJSON) decode() (keep.Converged, error) {
	c := keep.Converged{Changed: r.Changed}
	unknown := []int{-1}
	c.Routes = kernel.SyncResult{Added: slices.Repeat(unknown, r.Added), Replaced: slices.Repeat(unknown, r.Replaced), Unchanged: r.Unchanged, Removed: r.Removed}
	for _, refusal := range r.Refused {
		c.Refused = append(c.Refused, kernel.Refusal{Index: refusal.Index, Err: refusal.Error.err()})
	}
	for _, trouble := range r.Trouble {
		c.Trouble = append(c.Trouble, fault.Printable(trouble))
	}
	if r.Error != nil {
		return c, r.Error.err()
	}
	return c, nil
}

// check refuses results that encodeResult cannot make.
func (r resultJSON) check() error {
	for _, n := range []int{r.Added, r.Replaced, r.Unchanged, r.Removed} {
		if n < 0 || n > maxCount {
			return fmt.Errorf("%d is not a number of routes", n)
		}
	}
	if len(r.Refused) > maxRefused || len(r.Trouble) > maxTroubles {
		return errors.New("a list is too long")
	}
	for _, refusal := range r.Refused {
		if refusal.Index < 0 || refusal.Index >= maxCount {
			return fmt.Errorf("%d is not a route's number", refusal.Index)
		}
		if err := refusal.Error.check(0); err != nil {
			return err
		}
	}
	if r.Error != nil {
		return r.Error.check(0)
	}
	return nil
}

// message is one message of the helper's answer.
type message struct {
	hello    bool
	progress *progressJSON
	result   *resultJSON
	err      error // the answer is not valid; no message follows
}

// results returns how many results an answer to the verb has at most.
func (v Verb) results() int {
	if v.tries() {
		return 2
	}
	return 1
}

// listen reads an answer with so many results to its end, and calls hand with each message. It
// trusts nothing in it.
func listen(in io.Reader, results int, hand func(message)) {
	limited := &io.LimitedReader{R: in, N: maxAnswer}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, 4096), maxAnswer)
	if !lines.Scan() {
		return // there is no answer
	}
	if lines.Text() != answerMark {
		hand(message{err: fmt.Errorf("it does not begin with \"%s\"", answerMark)})
		return
	}
	hand(message{hello: true})
	for lines.Scan() {
		m := parseMessage(lines.Bytes())
		switch {
		case limited.N == 0:
			m.err = errTooLong
		case m.err == nil && results == 0:
			m.err = errors.New("something follows the end")
		}
		if hand(m); m.err != nil {
			return
		}
		if m.result != nil {
			results--
		}
	}
	if err := lines.Err(); err != nil {
		hand(message{err: err})
	}
}

var errTooLong = fmt.Errorf("it is longer than %d MB", maxAnswer>>20)

// parseMessage reads one line.
func parseMessage(line []byte) message {
	var m messageJSON
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	err := d.Decode(&m)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("a line says two things")
		}
	}
	switch p := m.Progress; {
	case err != nil:
	case (p != nil) == (m.Result != nil):
		err = errors.New("a line says nothing, or two things")
	case p != nil && (p.Done < 0 || p.Total < p.Done || p.Total > maxCount):
		err = fmt.Errorf("%d of %d is not progress", p.Done, p.Total)
	case m.Result != nil:
		err = m.Result.check()
	}
	if err != nil {
		return message{err: errors.New(fault.Printable(err.Error()))}
	}
	return message{progress: m.Progress, result: m.Result}
}
