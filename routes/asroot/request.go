package asroot

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Bounds of a request, in bytes.
const (
	maxHeader = 128
	maxKept   = 64 << 20 // the same as for the file that it becomes
)

// requestMark begins a request. The number is the version of the format.
const requestMark = "nmgre-request 1"

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

	// the verdicts about a trial; they are no requests
	VerbSave Verb = "save"
	VerbDrop Verb = "drop"
)

// tries says whether the verb begins a trial.
func (v Verb) tries() bool { return v == VerbTry || v == VerbTryByProfile }

// Request is a request to the helper. It is sent as a line with the mark and the verb. For forget
// the UUID follows on that line. For keep the size of a text in bytes follows, and after the line
// the text, as [keep.Kept.WriteTo] writes it:
//
//	nmgre-request 1 forget 8fc1c7d4-5a0c-4f7e-9d0a-2f0b8a3c1d2e
//
// Nothing comes after it, but for a verdict after a try: see trial.go. Because the size is known
// beforehand, a request that is cut short cannot be mistaken for a smaller one.
type Request struct {
	Verb Verb
	UUID string    // forget: the tunnel
	Kept keep.Kept // keep
}

// write writes the request.
func (r Request) write(w io.Writer) error {
	var behind string
	switch r.Verb {
	case VerbForget:
		behind = " " + r.UUID
	case VerbKeep, VerbTry, VerbTryByProfile:
		size, err := r.Kept.WriteTo(io.Discard)
		if err != nil {
			return err
		}
		behind = " " + strconv.FormatInt(size, 10)
	case VerbConverge, VerbSave, VerbDrop:
	}
	if _, err := fmt.Fprintf(w, "%s %s%s\n", requestMark, r.Verb, behind); err != nil || r.Verb != VerbKeep && !r.Verb.tries() {
		return err
	}
	_, err := r.Kept.WriteTo(w)
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
		request.Kept, err = readKept(r, size)
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
		size, err := strconv.ParseInt(behind, 10, 64)
		if err != nil || size < 0 || size > maxKept || strconv.FormatInt(size, 10) != behind {
			return r, 0, bad("\"%.40s\" is not a size from 0 to %d", fault.Printable(behind), maxKept)
		}
		return r, size, nil
	}
	return r, 0, bad("\"%.80s\" is not known", fault.Printable(rest))
}

// readKept reads the text of a keep. Every byte must be there, and every line valid.
func readKept(r io.Reader, size int64) (keep.Kept, error) {
	text := &io.LimitedReader{R: r, N: size}
	k, err := keep.ParseKept(text)
	switch {
	case err != nil:
		return k, &fault.Error{Kind: fault.ErrInvalid, What: "the request", Err: err}
	case text.N > 0:
		return k, bad("it ends %d bytes too early", text.N)
	case len(k.Bad) > 0:
		return k, &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf("the request: line %d", k.Bad[0].Line), Err: k.Bad[0].Err}
	case k.UUID == "" || k.Name == "":
		return k, bad("it names no tunnel")
	}
	return k, nil
}

func bad(format string, args ...any) error {
	return &fault.Error{Kind: fault.ErrInvalid, What: "the request: " + fmt.Sprintf(format, args...), Hint: "nmgre itself makes requests; there is nothing to type"}
}
