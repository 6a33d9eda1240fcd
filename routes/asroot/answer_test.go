package asroot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// heard returns the messages in an answer.
func heard(text string) (hello bool, progress []progressJSON, results []resultJSON, err error) {
	listen(strings.NewReader(text), 1, func(m message) {
		hello = hello || m.hello
		if m.progress != nil {
			progress = append(progress, *m.progress)
		}
		if m.result != nil {
			results = append(results, *m.result)
		}
		err = errors.Join(err, m.err)
	})
	return hello, progress, results, err
}

// Every kind of error has the same kind and the same words on the other side.
func TestErrorsOnTheWire(t *testing.T) {
	for _, k := range kinds {
		for _, err := range []error{
			&fault.Error{Kind: k.kind, What: "w"}, fmt.Errorf("f: %w", k.kind), fmt.Errorf("line 3: %w", &fault.Error{Kind: k.kind, Hint: "h", What: "w"}),
			errors.Join(&fault.Error{What: "a", Err: k.kind}, errors.New("b")), &fault.Error{Field: "route", Err: errors.Join(errors.New("a"), k.kind)},
		} {
			got := encodeError(err, 0)
			if problem := got.check(0); problem != nil {
				t.Errorf("%v: %v", err, problem)
			}
			back := got.err()
			if !errors.Is(back, k.kind) || back.Error() != strings.ReplaceAll(fault.Printable(err.Error()), `\n`, "\n") || !reflect.DeepEqual(fault.Hints(back), fault.Hints(err)) {
				t.Errorf("%v became %v, hints %q", err, back, fault.Hints(back))
			}
		}
	}
	if err := encodeError(errors.New("a\x1b[2Jb"), 0).err(); err.Error() != `a\x1b[2Jb` {
		t.Errorf("%q", err)
	}
	var deep error = errors.New("bottom")
	for range 50 {
		deep = &fault.Error{What: "x", Err: deep}
	}
	if f := encodeError(deep, 0); f.check(0) != nil || !strings.Contains(f.err().Error(), "bottom") {
		t.Errorf("%v", f.err())
	}
	if f := encodeError(errors.Join(make200()...), 0); f.check(0) != nil {
		t.Error(f.check(0))
	}
}

// No kind of error is left out: a caller who tells it apart must be able to do so.
func TestEveryKindOnTheWire(t *testing.T) {
	for _, kind := range []error{fault.ErrInvalid, fault.ErrNotFound, fault.ErrNotPermitted, fault.ErrNoNetworkManager, fault.ErrUnsupported, fault.ErrTimeout,
		fault.ErrExists, fault.ErrNameLost, fault.ErrChanged, fault.ErrLeftBehind, fault.ErrUnreachable} {
		if back := encodeError(&fault.Error{Kind: kind, What: "w"}, 0).err(); !errors.Is(back, kind) {
			t.Errorf("%v became %v", kind, back)
		}
	}
}

func make200() (list []error) {
	for i := range 200 {
		list = append(list, fmt.Errorf("error %d", i))
	}
	return list
}

// A text that is not an answer is refused.
func TestAnswerRefused(t *testing.T) {
	line := func(text string) string { return answerMark + "\n" + text + "\n" }
	deep := strings.Repeat(`{"causes":[`, 20) + `{"what":"x"}` + strings.Repeat(`]}`, 20)
	for _, c := range []struct{ name, text, want string }{
		{"another mark", "nmgre-answer 2\n", "does not begin"},
		{"no JSON", line("hello"), "invalid character"},
		{"nothing in it", line("{}"), "says nothing, or two things"},
		{"two in one", line(`{"result":{},"progress":{}}`), "says nothing, or two things"},
		{"two on a line", line(`{"result":{}}{"result":{}}`), "says two things"},
		{"an unknown field", line(`{"result":{"path":"/etc"}}`), "unknown field"},
		{"two results", line("{\"result\":{}}\n{\"result\":{}}"), "something follows"},
		{"progress after the end", line("{\"result\":{}}\n{\"progress\":{\"done\":0,\"total\":0}}"), "something follows"},
		{"negative", line(`{"result":{"added":-1}}`), "not a number of routes"},
		{"very many", line(`{"result":{"removed":4194305}}`), "not a number of routes"},
		{"a fraction", line(`{"result":{"added":1.5}}`), "cannot unmarshal"},
		{"an impossible route", line(`{"result":{"refused":[{"index":-1,"error":{"what":"x"}}]}}`), "not a route's number"},
		{"a refusal that says nothing", line(`{"result":{"refused":[{"index":1,"error":{}}]}}`), "says nothing"},
		{"an unknown kind", line(`{"result":{"error":{"kind":"root\u001b"}}}`), `kind "root\x1b"`},
		{"an error that says nothing", line(`{"result":{"error":{}}}`), "says nothing"},
		{"a deep error", line(`{"result":{"error":` + deep + `}}`), "too many causes"},
		{"very much trouble", line(`{"result":{"trouble":[` + strings.Repeat(`"",`, maxTroubles) + `""]}}`), "too long"},
		{"progress beyond the end", line(`{"progress":{"done":2,"total":1}}`), "is not progress"},
		{"too long", line(`{"result":{"trouble":["` + strings.Repeat("x", maxAnswer) + `"]}}`), "longer than 16 MB"},
		{"too much", answerMark + "\n" + strings.Repeat(`{"progress":{"done":0,"total":0}}`+"\n", maxAnswer/34+1), "longer than 16 MB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, _, err := heard(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%.200v", err)
			}
		})
	}
	if hello, _, results, err := heard(""); hello || results != nil || err != nil {
		t.Error("nothing is something")
	}
}

// The result of a Keeper is bounded in a message, and can always be read.
func TestLargeResult(t *testing.T) {
	c := keep.Converged{Routes: kernel.SyncResult{Unchanged: math.MaxInt}}
	for i := range 2 * maxRefused {
		c.Refused = append(c.Refused, kernel.Refusal{Index: i, Err: &fault.Error{Kind: fault.ErrInvalid, What: "route 10.0.0.0/8: the kernel says: invalid argument"}})
		c.Trouble = append(c.Trouble, "trouble\xff")
	}
	var b bytes.Buffer
	err := serve(t.Context(), strings.NewReader("nmgre-request 2 converge\n"), &b, func(context.Context, Request, func(done, total int)) (keep.Converged, error) {
		return c, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _, results, err := heard(b.String())
	if err != nil || len(results) != 1 {
		t.Fatal(err)
	}
	got, err := results[0].decode()
	if err != nil || len(got.Refused) != maxRefused || len(got.Trouble) != maxTroubles || got.Routes.Unchanged != maxCount || got.Trouble[0] != "trouble\ufffd" {
		t.Errorf("%d refused, %d troubles, %v", len(got.Refused), len(got.Trouble), err)
	}
}

// Every answer is either refused or understood, and nothing in it can act on a terminal.
func FuzzAnswer(f *testing.F) {
	f.Add(answerMark + "\n{\"progress\":{\"done\":1,\"total\":2}}\n{\"result\":{\"changed\":true,\"trouble\":[\"x\\u001b\"]}}\n")
	result, _ := json.Marshal(messageJSON{Result: &resultJSON{Error: &failureJSON{Kind: "invalid", Field: "route", What: "w", Hint: "h", Causes: []failureJSON{{What: "c"}}}}})
	f.Add(answerMark + "\n" + string(result) + "\n")
	f.Add(answerMark + "\n{\"result\":{\"refused\":[{\"index\":1,\"error\":{\"what\":\"x\"}}]}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, _, results, err := heard(text)
		if err != nil || len(results) == 0 {
			return
		}
		c, failure := results[0].decode()
		words := append(c.Trouble, fault.Hints(failure)...)
		if failure != nil {
			words = append(words, strings.ReplaceAll(failure.Error(), "\n", " "))
		}
		for _, refusal := range c.Refused {
			words = append(words, strings.ReplaceAll(refusal.Err.Error(), "\n", " "))
		}
		for _, word := range words {
			for _, r := range word {
				if r < ' ' || r == 0x7f || r == 0x202e {
					t.Errorf("%q lets %q through", text, word)
				}
			}
		}
	})
}
