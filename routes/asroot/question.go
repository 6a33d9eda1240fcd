package asroot

import (
	"context"
	"slices"
	"strings"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Words of the helper's command line after its name. polkit's question shows the command line, and
// a rule of polkit's can read it: so it names the tunnel, and the parts that root is to set.
const (
	wordRoutes   = "routes"
	wordRules    = "rule"
	wordSNAT     = "SNAT"
	wordForward  = "forwarding"
	wordClamp    = "MSS"
	wordLink     = "link"
	wordForget   = "forget"
	wordAll      = "all-tunnels"
	wordConverge = "converge"
)

// Question is the helper's command line, about which polkit asks: the tunnel, and then the parts
// that root is to set, as in
//
//	nmgre helper gre1 routes SNAT forwarding
//
// pkexec shows up to 80 characters of it, and leaves out the middle of a longer one. The helper
// refuses a request that does not agree with its command line.
type Question []string

// question returns the question of polkit about r. A tunnel that is to lose its kept part has the
// name in root's file. If files cannot tell it, the tunnel is named by its UUID.
func (r Request) question(ctx context.Context, files Files) Question {
	switch r.Verb {
	case VerbKeep, VerbTry, VerbTryByProfile:
		if r.Kept.Empty() {
			return Question{nameOf(ctx, files, r.Kept.UUID), wordForget}
		}
		return append(Question{r.Kept.Name}, parts(r.Kept)...)
	case VerbForget:
		return Question{nameOf(ctx, files, r.UUID), wordForget}
	case VerbConverge, VerbSave, VerbDrop, VerbAbandon:
	}
	return Question{wordAll, wordConverge}
}

// parts names the parts that root keeps. A pin is one of the routes.
func parts(k keep.Kept) []string {
	var words []string
	for _, part := range []struct {
		word string
		has  bool
	}{{wordRoutes, len(k.Routes) > 0 || k.Pin}, {wordRules, len(k.Policy) > 0}, {wordSNAT, len(k.SNAT) > 0}, {wordForward, len(k.Forward) > 0}, {wordClamp, k.ClampMSS}, {wordLink, k.Link.Any()}} {
		if part.has {
			words = append(words, part.word)
		}
	}
	return words
}

// nameOf returns the name that root's file has for a tunnel, or else its UUID. files may be nil.
func nameOf(ctx context.Context, files Files, uuid string) string {
	if files == nil {
		return uuid
	}
	k, err := files.Get(ctx, uuid)
	if err != nil || !routes.IsDevice(k.Name) {
		return uuid
	}
	return k.Name
}

// String returns the words as polkit's question shows them.
func (q Question) String() string { return strings.Join(q, " ") }

// ParseQuestion reads the words after the helper's name. It fails with [fault.ErrInvalid] for words
// that no request has.
func ParseQuestion(args []string) (Question, error) {
	known := []string{wordRoutes, wordRules, wordSNAT, wordForward, wordClamp, wordLink, wordForget, wordConverge}
	if len(args) < 2 || len(args) > 1+len(known) {
		return nil, bad("its command line names no tunnel and nothing to do for it")
	}
	if tunnel := args[0]; !routes.IsDevice(tunnel) && !keep.IsUUID(tunnel) {
		return nil, bad("\"%.40s\" is not the name of a tunnel", fault.Printable(tunnel))
	}
	for _, word := range args[1:] {
		if !slices.Contains(known, word) {
			return nil, bad("\"%.40s\" on its command line is not known", fault.Printable(word))
		}
	}
	return Question(args), nil
}

// Covers returns nil if polkit was asked about just that request. It fails with [fault.ErrInvalid]
// otherwise: somebody permitted another request. files tells the name of the tunnel to forget.
func (q Question) Covers(ctx context.Context, r Request, files Files) error {
	asked := r.question(ctx, files)
	byUUID := asked[1] == wordForget && slices.Equal(q, Question{r.Tunnel(), wordForget})
	if slices.Equal(q, asked) || byUUID {
		return nil
	}
	return bad("permission was asked for \"%s\", and the request is \"%s\"", fault.Printable(q.String()), fault.Printable(asked.String()))
}
