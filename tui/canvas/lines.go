package canvas

import (
	"bufio"
	"context"
	"io"
)

// maxAnswer is the most bytes of a line that is read.
const maxAnswer = 64 << 10

// Lines returns a function that reads the next line. The input is read in a goroutine, so that
// an interrupt does not wait for it.
func Lines(ctx context.Context, in io.Reader) func(context.Context) (string, error) {
	lines := make(chan string)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(in)
		scanner.Buffer(make([]byte, 4096), maxAnswer)
		for scanner.Scan() {
			select {
			case lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return func(ctx context.Context) (string, error) {
		select {
		case line, ok := <-lines:
			if !ok {
				return "", io.EOF
			}
			return line, nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}
