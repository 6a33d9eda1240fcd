package fault

import "errors"

// AppendProblem keeps a nil *Error out of the list.
func AppendProblem(problems []*Error, problem *Error) []*Error {
	if problem == nil {
		return problems
	}
	return append(problems, problem)
}

// JoinProblems joins those that there are.
func JoinProblems(problems ...*Error) error {
	var errs []error
	for _, problem := range problems {
		if problem != nil {
			errs = append(errs, problem)
		}
	}
	return errors.Join(errs...)
}

func AsErrors(problems []*Error) []error {
	errs := make([]error, len(problems))
	for i, problem := range problems {
		errs[i] = problem
	}
	return errs
}
