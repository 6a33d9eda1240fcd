package want

import "time"

// Joined joins and counts the events that come until none has come for a while.
func Joined[E interface{ And(other E) E }](events <-chan E, quiet time.Duration) (all E, count int) {
	for {
		select {
		case e := <-events:
			all, count = all.And(e), count+1
		case <-time.After(quiet):
			return all, count
		}
	}
}
