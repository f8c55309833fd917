package lambda

import (
	"net/http"
)

// reservation finds the function that a request is about, with mu held: reservations are of functions, not of versions.
// Behind the ARN of one that is not there stands absent (recorded by LocalStack for Put and Get:
// test_function_concurrency_exceptions, test_ops_on_nonexisting_fn).
func (s *Service) reservation(r *http.Request, absent string) (*function, error) {
	name, qualifier := target(r)
	f := s.functions[name]
	switch {
	case qualifier != "":
		return nil, invalid("This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. " +
			"Please specify either a function name or an unqualified function ARN.")
	case f == nil:
		return nil, s.notFound(name + absent)
	}
	return f, nil
}

// putConcurrency answers PutFunctionConcurrency. A reservation of 0 switches a function off.
func (s *Service) putConcurrency(r *http.Request) (int, any, error) {
	var in struct{ ReservedConcurrentExecutions *int }
	if err := read(r, &in); err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.reservation(r, ":"+Latest)
	if err != nil {
		return 0, nil, err
	}
	var v violations
	if in.ReservedConcurrentExecutions == nil {
		v.Null("reservedConcurrentExecutions")
	} else {
		v.Within(*in.ReservedConcurrentExecutions, "reservedConcurrentExecutions", 0, 1<<31-1)
	}
	if err := v.Err(); err != nil {
		return 0, nil, err
	}
	f.reserved = in.ReservedConcurrentExecutions
	return http.StatusOK, in, nil
}

// getConcurrency answers GetFunctionConcurrency: with nothing when nothing is reserved.
func (s *Service) getConcurrency(r *http.Request) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.reservation(r, "")
	if err != nil {
		return 0, nil, err
	}
	doc := map[string]int{}
	if f.reserved != nil {
		doc["ReservedConcurrentExecutions"] = *f.reserved
	}
	return http.StatusOK, doc, nil
}

// deleteConcurrency answers DeleteFunctionConcurrency.
func (s *Service) deleteConcurrency(r *http.Request) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.reservation(r, ":"+Latest)
	if err == nil {
		f.reserved = nil
	}
	return http.StatusNoContent, nil, err
}
