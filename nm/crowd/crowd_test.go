package crowd

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Each number is taken once: few one after the other, many in flight together but never too many.
func TestTake(t *testing.T) {
	for _, n := range []int{0, 1, Least - 1, Least, 3 * InFlight} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var taken, told []int
			running, most := 0, 0
			err := Take(n, func(i int) error {
				mu.Lock()
				taken = append(taken, i)
				running++
				most = max(most, running)
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				defer mu.Unlock()
				running--
				return nil
			}, func(done int) { told = append(told, done) })
			want := 1
			if n >= Least {
				want = min(n, InFlight)
			}
			slices.Sort(taken)
			if err != nil || len(taken) != n || len(slices.Compact(taken)) != n || !slices.IsSorted(told) || len(told) != n || n > 0 && most != want {
				t.Errorf("%d: %v, taken %v, told %v, at once %d, want %d", n, err, taken, told, most, want)
			}
		})
	}
}

// After a failure no other begins, those under way end, and the lowest number's error is returned.
func TestTakeFails(t *testing.T) {
	for _, n := range []int{3, 100} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			begun, ended := 0, 0
			err := Take(n, func(i int) error {
				mu.Lock()
				begun++
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				ended++
				mu.Unlock()
				if i == 1 || i == 2 {
					return fmt.Errorf("number %d", i)
				}
				return nil
			}, func(int) {})
			if err == nil || err.Error() != "number 1" || begun != ended || begun > 2*InFlight {
				t.Errorf("%d: %v, %d begun, %d ended", n, err, begun, ended)
			}
		})
	}
}

func TestProgress(t *testing.T) {
	for _, c := range []struct {
		done, total int
		want        string
	}{{19, 19, ""}, {19, 20, ""}, {20, 20, "did: 20 of 20 tunnels"}, {20, 30, "did: 20 of 30 tunnels"}, {29, 30, ""}, {30, 30, "did: 30 of 30 tunnels"}} {
		if got := Progress("did", c.done, c.total); got != c.want {
			t.Errorf("%d of %d: %q", c.done, c.total, got)
		}
	}
}

// An answer is asked for once, after one that failed again.
func TestOnce(t *testing.T) {
	var o once[int]
	asked := 0
	ask := func() (int, error) {
		if asked++; asked == 1 {
			return 0, errors.ErrUnsupported
		}
		return asked, nil
	}
	if _, err := o.get(ask); err == nil {
		t.Error("the error is lost")
	}
	for range 3 {
		if got, err := o.get(ask); got != 2 || err != nil {
			t.Error(got, err)
		}
	}
}
