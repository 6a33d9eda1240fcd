package list

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/rule"
)

// maxRuleLines bounds a file of rules. No tunnel may have as many.
const maxRuleLines = 100_000

// ParseRules reads a file with one rule SPEC a line, with a host's own names. Empty lines and those
// that begin with # do not count. The errors, at most [MaxToldErrors], have the numbers of their
// lines.
func ParseRules(names routes.Names, r io.Reader) ([]rule.Rule, error) {
	var all []rule.Rule
	var errs []error
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), 64<<10)
	n := 0
	for n < maxRuleLines && len(errs) < MaxToldErrors && lines.Scan() {
		n++
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		one, err := rule.ParseWith(names, text)
		if e := new(fault.Error); errors.As(err, &e) {
			e.Line = n
		}
		if errs = append(errs, err); err == nil {
			errs, all = errs[:len(errs)-1], append(all, one)
		}
	}
	if err := lines.Err(); err != nil || n == maxRuleLines {
		errs = append(errs, fault.Invalid("rule", "write one rule per line", "line %d is too long, or there are more than %d lines", n+1, maxRuleLines))
	}
	return all, errors.Join(errs...)
}
