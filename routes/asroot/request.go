package asroot

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/keep/format"
)

// Bounds of a request. They are narrower than those of the file that it becomes: root may keep
// more.
const (
	maxHeader = 256     // bytes
	maxStamp  = 128     // bytes
	maxKept   = 8 << 20 // bytes
	maxRoutes = 200_000
	maxRules  = 10_000
)

// requestMark begins a request. The number is the version of the format.
const requestMark = "nmgre-request 2"

// anyStamp stands for the empty stamp: any version of the file may be replaced.
const anyStamp = "any"

// Verb names the method of [keep.Keeper] that the helper carries out.
type Verb string

// The verbs.
const (
	VerbKeep     Verb = "keep"
	VerbForget   Verb = "forget"
	VerbConverge Verb = "converge"
	// a keep on trial, alone or with the tunnel's profile
	VerbTry          Verb = "try"
	VerbTryByProfile Verb = "try-by-profile"

	// the verdicts about a trial, and the end of one whose caller has gone without a verdict; they
	// are no requests
	VerbSave    Verb = "save"
	VerbDrop    Verb = "drop"
	VerbAbandon Verb = "abandon"
)

// tries says whether the verb begins a trial.
func (v Verb) tries() bool { return v == VerbTry || v == VerbTryByProfile }

// Request is a request to the helper. It is sent as a line with the mark and the verb. For forget
// the UUID follows on that line. For keep the size of a text in bytes follows, and the stamp of the
// file that the request was made from; after the line comes the text, as [keep.Kept.WriteTo] writes
// it:
//
//	nmgre-request 2 forget 8fc1c7d4-5a0c-4f7e-9d0a-2f0b8a3c1d2e
//
// Nothing comes after it, but for a verdict after a try: see trial.go. Because the size is known
// beforehand, a request that is cut short cannot be mistaken for a smaller one.
type Request struct {
	Verb Verb
	UUID string    // forget: the tunnel
	Kept keep.Kept // keep
}

// Tunnel returns the UUID of the tunnel that r is about; empty for all.
func (r Request) Tunnel() string { return cmp.Or(r.UUID, r.Kept.UUID) }

// write writes the request.
func (r Request) write(w io.Writer) error {
	var behind string
	switch r.Verb {
	case VerbForget:
		behind = " " + r.UUID
	case VerbKeep, VerbTry, VerbTryByProfile:
		size, err := format.Write(io.Discard, r.Kept)
		if err != nil {
			return err
		}
		behind = " " + strconv.FormatInt(size, 10) + " " + cmp.Or(r.Kept.Stamp, anyStamp)
	case VerbConverge, VerbSave, VerbDrop, VerbAbandon:
	}
	if _, err := fmt.Fprintf(w, "%s %s%s\n", requestMark, r.Verb, behind); err != nil || r.Verb != VerbKeep && !r.Verb.tries() {
		return err
	}
	_, err := format.Write(w, r.Kept)
	return err
}

// ReadRequest reads a request up to the end of in. It trusts nothing: whatever is not exactly a
// request is an ErrInvalid. It does not check whether the request may be carried out.
func ReadRequest(in io.Reader) (Request, error) {
	r := bufio.NewReader(in)
	header, err := readHeader(r)
	if err != nil {
		return Request{}, err
	}
	request, size, err := parseHeader(header)
	if err == nil && (request.Verb == VerbKeep || request.Verb.tries()) {
		stamp := request.Kept.Stamp
		request.Kept, err = readKept(r, size)
		request.Kept.Stamp = stamp
	}
	if err != nil {
		return Request{}, err
	}
	// the verdict follows later, and the caller waits for the result first
	if request.Verb.tries() {
		if r.Buffered() > 0 {
			return Request{}, bad("something follows the request")
		}
		return request, nil
	}
	switch _, err := r.ReadByte(); {
	case err == nil:
		return Request{}, bad("something follows the request")
	case !errors.Is(err, io.EOF):
		return Request{}, fmt.Errorf("read the request: %w", err)
	}
	return request, nil
}

// readHeader reads the first line, without its end.
func readHeader(r *bufio.Reader) (string, error) {
	var line []byte
	for len(line) <= maxHeader {
		c, err := r.ReadByte()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("read the request: %w", err)
		}
		if c == '\n' {
			return string(line), nil
		}
		line = append(line, c)
	}
	return "", bad("it does not begin with a line of a request")
}

// parseHeader reads the words of the first line. For keep it returns the size of the text, in
// bytes.
func parseHeader(line string) (Request, int64, error) {
	rest, found := strings.CutPrefix(line, requestMark+" ")
	if !found {
		return Request{}, 0, bad("it does not begin with \"%s\"", requestMark)
	}
	verb, behind, _ := strings.Cut(rest, " ")
	r := Request{Verb: Verb(verb)}
	switch {
	case r.Verb == VerbConverge && rest == verb:
		return r, 0, nil
	case r.Verb == VerbForget && keep.IsUUID(behind):
		r.UUID = behind
		return r, 0, nil
	case r.Verb == VerbKeep || r.Verb.tries():
		number, stamp, _ := strings.Cut(behind, " ")
		size, err := strconv.ParseInt(number, 10, 64)
		if err != nil || size < 0 || size > maxKept || strconv.FormatInt(size, 10) != number {
			return r, 0, bad("\"%.40s\" is not a size from 0 to %d", fault.Printable(number), maxKept)
		}
		if !isStamp(stamp) {
			return r, 0, bad("\"%.40s\" is not the stamp of a file", fault.Printable(stamp))
		}
		if stamp != anyStamp {
			r.Kept.Stamp = stamp
		}
		return r, size, nil
	}
	return r, 0, bad("\"%.80s\" is not known", fault.Printable(rest))
}

// isStamp reports whether s could be the stamp of a file: letters, digits and hyphens.
func isStamp(s string) bool {
	other := func(c rune) bool { return c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') }
	return s != "" && len(s) <= maxStamp && strings.IndexFunc(s, other) < 0
}

// readKept reads the text of a keep. Every byte must be there, and every line valid. It weighs the
// text before it parses it, since a few bytes can become very many.
func readKept(r io.Reader, size int64) (keep.Kept, error) {
	text := make([]byte, size)
	if n, err := io.ReadFull(r, text); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return keep.Kept{}, bad("it ends %d bytes too early", size-int64(n))
	} else if err != nil {
		return keep.Kept{}, fmt.Errorf("read the request: %w", err)
	}
	if err := weigh(text); err != nil {
		return keep.Kept{}, err
	}
	k, err := format.Parse(bytes.NewReader(text))
	switch {
	case err != nil:
		return k, &fault.Error{Kind: fault.ErrInvalid, What: "the request", Err: err}
	case len(k.Bad) > 0:
		return k, &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf("the request: line %d", k.Bad[0].Line), Err: k.Bad[0].Err}
	case k.UUID == "" || k.Name == "":
		return k, bad("it names no tunnel")
	}
	return k, (Request{Verb: VerbKeep, Kept: k}).bounds()
}

// bounds refuses more than a caller without root may keep: the helper works while others wait for
// it.
func (r Request) bounds() error {
	k := r.Kept
	switch rules := len(k.SNAT) * max(1, len(k.Inner)); {
	case len(k.Routes) > maxRoutes:
		return tooMuch("%d routes are more than the %d that nmgre keeps without root", len(k.Routes), maxRoutes)
	case rules > maxRules:
		return tooMuch("%d rules are more than the %d that nmgre keeps without root", rules, maxRules)
	}
	return nil
}

// fits refuses a request that the helper would refuse for its size, before anybody is asked.
func (r Request) fits() error {
	if r.Verb != VerbKeep && !r.Verb.tries() {
		return nil
	}
	size, err := format.Write(io.Discard, r.Kept)
	if err == nil && size > maxKept {
		err = tooMuch("routes and rules of %d MB are more than the %d MB that nmgre keeps without root", (size+1<<20-1)>>20, maxKept>>20)
	}
	if err != nil {
		return err
	}
	return r.bounds()
}

func tooMuch(format string, args ...any) error {
	return &fault.Error{Kind: fault.ErrNotPermitted, What: fmt.Sprintf(format, args...), Hint: fault.HintRoot}
}

func bad(format string, args ...any) error {
	return &fault.Error{Kind: fault.ErrInvalid, What: "the request: " + fmt.Sprintf(format, args...), Hint: "nmgre itself makes requests; there is nothing to type"}
}
