package lambda

import (
	"fmt"
	"net/http"
)

// codeUpdate is UpdateFunctionCode's document.
type codeUpdate struct {
	codeInput
	Architectures []string
	DryRun        bool
	Publish       bool
	RevisionID    string `json:"RevisionId"`
}

// updateCode answers UpdateFunctionCode.
func (s *Service) updateCode(r *http.Request) (int, any, error) {
	var in codeUpdate
	if err := read(r, &in); err != nil {
		return 0, nil, err
	}
	var v violations
	v.architectures(in.Architectures)
	if err := v.Err(); err != nil {
		return 0, nil, err
	}
	name, _ := target(r)
	if _, ok := s.Function(name); !ok { // before what may be long
		return 0, nil, s.notFound(name)
	}
	c, err := s.receive(in.codeInput)
	if err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer c.use().drop()
	return s.change(name, in.RevisionID, func(fn *function) *version {
		f := fn.latest.Function
		if len(in.Architectures) > 0 {
			f.Architecture = in.Architectures[0]
		}
		if in.DryRun {
			return fn.latest
		}
		s.replace(fn.latest, f, c)
		if in.Publish {
			return s.publish(fn, nil)
		}
		return fn.latest
	})
}

// updateConfiguration answers UpdateFunctionConfiguration.
func (s *Service) updateConfiguration(r *http.Request) (int, any, error) {
	var in settings
	if err := read(r, &in); err != nil {
		return 0, nil, err
	}
	if err := in.check(new(violations)); err != nil {
		return 0, nil, err
	}
	name, _ := target(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.change(name, in.RevisionID, func(fn *function) *version {
		s.replace(fn.latest, in.apply(fn.latest.Function), fn.latest.code)
		return fn.latest
	})
}

// change does what a request asks of a function whose latest revision it may name. It is called with mu held.
func (s *Service) change(name, revision string, do func(*function) *version) (int, any, error) {
	fn := s.functions[name]
	switch {
	case s.closed:
		return 0, nil, errClosed
	case fn == nil:
		return 0, nil, s.notFound(name)
	case revision != "" && revision != fn.latest.revision:
		return 0, nil, errRevision
	}
	return http.StatusOK, s.configuration(do(fn), ""), nil
}

type publishInput struct {
	CodeSha256  string
	Description *string
	RevisionID  string `json:"RevisionId"`
}

// publishVersion answers PublishVersion.
func (s *Service) publishVersion(r *http.Request) (int, any, error) {
	var in publishInput
	if err := read(r, &in); err != nil {
		return 0, nil, err
	}
	name, _ := target(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if fn := s.functions[name]; fn != nil && in.CodeSha256 != "" && in.CodeSha256 != fn.latest.code.sha256 {
		return 0, nil, invalid(fmt.Sprintf("CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.",
			in.CodeSha256, fn.latest.code.sha256))
	}
	_, doc, err := s.change(name, in.RevisionID, func(fn *function) *version { return s.publish(fn, in.Description) })
	return http.StatusCreated, doc, err
}
