package rule

import "testing"

func TestPlainTakesWhatIsWritten(t *testing.T) {
	for _, text := range []string{"from 10.0.0.2 table 1000 priority 1000", "from 10.10.0.0/16 table 4294967295 priority 1"} {
		if r, ok := Plain([]byte(text)); !ok || r.String() != text {
			t.Errorf("%q: %s, %v", text, r, ok)
		}
	}
	for _, text := range []string{"", "from", "from ", "from 10.0.0.2", "from 10.0.0.2 table main priority 5", "from 10.0.0.2 table 255 priority 5", "from 10.0.0.2 table 1000", "from all table 1000 priority 5",
		"from 0.0.0.0/0 table 1000 priority 5", "from 10.0.0.2 table 1000 priority 5 ", "from 10.0.0.2 priority 5 table 1000", "not from 10.0.0.2 table 1000 priority 5", "to 10.0.0.2 table 1000 priority 5"} {
		if r, ok := Plain([]byte(text)); ok {
			t.Errorf("%q: %s", text, r)
		}
	}
}

// A plain rule is what the parser of all rules makes of the same text.
func FuzzPlain(f *testing.F) {
	for _, text := range []string{"from 10.0.0.2 table 1000 priority 1000", "from 10.0.0.0/8 table 300 priority 0", "from 224.0.0.1 table 300 priority 4294967295", "from 0.0.0.0 table 256 priority 7"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := Plain([]byte(text))
		if !ok {
			return
		}
		if other, err := Parse(text); err != nil || r != other {
			t.Errorf("%q: plain %v, parsed %v, %v", text, r, other, err)
		}
	})
}
