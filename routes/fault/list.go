package fault

import "errors"

// About names the thing that err is about, such as a tunnel. Of several errors that are joined each
// is named. A nil err stays nil.
func About(name string, err error) error {
	all := Split(err)
	for i, one := range all {
		all[i] = &Error{What: Printable(name), Err: one}
	}
	return errors.Join(all...)
}

// List collects the problems that several checks found.
type List []*Error

// Add appends those of the problems that are not nil, so that a check which found nothing can
// return nil.
func (l *List) Add(problems ...*Error) {
	for _, problem := range problems {
		if problem != nil {
			*l = append(*l, problem)
		}
	}
}

// Err returns the problems as [errors.Join] joins them, a line each; nil where the list is empty.
func (l List) Err() error {
	errs := make([]error, len(l))
	for i, problem := range l {
		errs[i] = problem
	}
	return errors.Join(errs...)
}
