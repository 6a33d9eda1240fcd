package far

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"nmgre/nm/pair"
	"nmgre/routes/fault"
)

// The ways in which a conversation ends by itself.
var (
	errEnded  = &fault.Error{Kind: fault.ErrTimeout, What: "the connection to the other end is gone"}
	errSilent = &fault.Error{Kind: fault.ErrTimeout, What: "the other end has said nothing for " + pair.Silence.String(),
		Hint: "if ssh's own way to it, or to a jump host, is in a network that --route or --far-route leads into the tunnel, leave that route out"}
)

// talk is a conversation with the other end.
type talk struct {
	out     io.Writer
	writing sync.Mutex
	heard   chan pair.Message
	over    chan struct{} // closed when nothing more comes
	why     error         // of the end of the input
	last    atomic.Int64  // when something was heard last, in nanoseconds
	patient atomic.Bool   // silence is no end: the other one may still be asking a person
	stop    chan struct{} // ends the beat
	once    sync.Once
}

// begin begins a conversation. One with chatter waits for the first message as long as that takes,
// and hands the lines before it to chatter.
func begin(in io.Reader, out io.Writer, chatter func(string)) *talk {
	patient, messages := chatter != nil, pair.NewReader(in)
	messages.Chatter = chatter
	t := &talk{out: out, heard: make(chan pair.Message, 16), over: make(chan struct{}), stop: make(chan struct{})}
	t.patient.Store(patient)
	t.last.Store(time.Now().UnixNano())
	go t.listen(messages)
	if !patient {
		go t.beat()
	}
	return t
}

// listen hands on the messages that come.
func (t *talk) listen(in *pair.Reader) {
	defer close(t.over)
	for {
		m, err := in.Next()
		if err != nil {
			t.why = err
			return
		}
		t.last.Store(time.Now().UnixNano())
		if m.Type == pair.Alive {
			continue
		}
		if t.patient.CompareAndSwap(true, false) {
			go t.beat()
		}
		select {
		case t.heard <- m:
		case <-t.stop:
			return
		}
	}
}

// beat gives signs of life until the conversation ends.
func (t *talk) beat() {
	for {
		select {
		case <-time.After(pair.Beat):
			_ = t.say(pair.Message{Type: pair.Alive})
		case <-t.stop:
			return
		case <-t.over:
			return
		}
	}
}

// end ends the conversation. The writer stays open.
func (t *talk) end() { t.once.Do(func() { close(t.stop) }) }

// say sends a message. Its error shows in the answer that does not come, too: a pipe that nobody
// reads any more says nothing to a person.
func (t *talk) say(m pair.Message) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	err := pair.Write(t.out, m)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
		return errEnded
	}
	return err
}

// next waits for the next message. It fails if ctx ends, the input ends, or nothing was heard for
// [pair.Silence].
func (t *talk) next(ctx context.Context) (pair.Message, error) {
	look := time.NewTicker(pair.Beat / 4)
	defer look.Stop()
	for {
		select {
		case m := <-t.heard:
			return m, nil
		default:
		}
		select {
		case m := <-t.heard:
			return m, nil
		case <-t.over:
			select { // a message before the end counts
			case m := <-t.heard:
				return m, nil
			default:
				return pair.Message{}, interrupted(ctx, t.ended())
			}
		case <-ctx.Done():
			return pair.Message{}, fault.Interrupted(ctx.Err())
		case <-look.C:
			if t.silent() {
				return pair.Message{}, errSilent
			}
		}
	}
}

// silent reports whether the other end says nothing any more.
func (t *talk) silent() bool {
	return !t.patient.Load() && time.Since(time.Unix(0, t.last.Load())) > pair.Silence
}

// ended says why the input has ended. It may be called when over is closed.
func (t *talk) ended() error {
	if errors.Is(t.why, io.EOF) {
		return errEnded
	}
	return t.why
}

// guard returns a context that ends with the conversation, for work that must not outlive it. free
// takes that away again.
func (t *talk) guard(ctx context.Context) (guarded context.Context, free func()) {
	guarded, cancel := context.WithCancel(ctx)
	freed := make(chan struct{})
	go func() {
		look := time.NewTicker(pair.Beat / 4)
		defer look.Stop()
		for {
			select {
			case <-t.over:
				cancel()
				return
			case <-look.C:
				if t.silent() {
					cancel()
					return
				}
			case <-freed:
				return
			case <-ctx.Done():
				return
			}
		}
	}()
	var once sync.Once
	return guarded, func() { once.Do(func() { close(freed) }) }
}
