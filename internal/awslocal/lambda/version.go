package lambda

import (
	"slices"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// version is one version of a function: code and configuration, and the instances that run them. Only Latest changes.
type version struct {
	Function
	function   *function
	number     string // Latest, or "1" and so on
	code       *code
	modified   time.Time
	revision   string
	source     string // revision of Latest that was published
	generation int    // of the configuration: instances of an earlier one retire
	idle       []*instance
}

// resolve finds the version that a name and a qualifier stand for: none, Latest, a number, or an alias. It is called with
// mu held.
func (s *Service) resolve(name, qualifier string) (*version, error) {
	f := s.functions[name]
	if f == nil {
		return nil, s.notFound(qualified(name, qualifier))
	}
	number := qualifier
	if a := f.aliases[qualifier]; a != nil {
		number = a.version
	}
	if v := f.version(number); v != nil {
		return v, nil
	}
	return nil, s.notFound(qualified(name, qualifier))
}

// version gives a version by its number; "" is Latest.
func (f *function) version(number string) *version {
	if number == "" || number == Latest {
		return f.latest
	}
	for _, v := range f.published {
		if v.number == number {
			return v
		}
	}
	return nil
}

// qualified is the name with its qualifier, if there is one.
func qualified(name, qualifier string) string {
	if qualifier == "" {
		return name
	}
	return name + ":" + qualifier
}

// invoked is the ARN that a function is told it was invoked by: with the qualifier of the call.
func (s *Service) invoked(ref string) string { return s.ARN(qualified(SplitName(ref))) }

// replace gives a version other code and configuration, with mu held.
func (s *Service) replace(v *version, f Function, c *code) {
	s.retire(v)
	before := v.code
	v.code = c.use()
	if before != nil {
		before.drop()
	}
	f.CodeDir = c.dir
	v.Function = f
	v.modified, v.revision = time.Now(), wire.NewID()
}

// retire ends a version's instances: idle ones now, the others after the invocation under way. It is called with mu held.
func (s *Service) retire(v *version) {
	v.generation++
	for _, i := range v.idle {
		i.kill()
	}
	v.idle = nil
}

// publish makes an immutable version of what Latest is, unless nothing was updated since the last one: then it gives that
// one. As on AWS an update counts even if nothing has changed by it (seen by getmoto/moto, pull request 8379). It is called
// with mu held.
func (s *Service) publish(f *function, description *string) *version {
	if n := len(f.published); n > 0 && f.published[n-1].source == f.latest.revision {
		return f.published[n-1]
	}
	now := f.latest.Function
	if description != nil {
		now.Description = *description
	}
	f.last++
	v := &version{function: f, number: strconv.Itoa(f.last), source: f.latest.revision}
	s.replace(v, now, f.latest.code)
	f.published = append(f.published, v)
	return v
}

// remove deletes a function, or with a qualifier one of its versions.
func (s *Service) remove(name, qualifier string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.functions[name]
	switch {
	case f == nil: // the qualifier is not in the message: recorded by LocalStack (test_delete_on_nonexisting_version)
		return s.notFound(name)
	case qualifier == Latest:
		return invalid("$LATEST version cannot be deleted without deleting the function.")
	case qualifier == "":
		delete(s.functions, name)
		for _, v := range append(f.published, f.latest) {
			s.bury(v)
		}
		return nil
	}
	return s.removeVersion(f, qualifier)
}

func (s *Service) removeVersion(f *function, number string) error {
	for name, a := range f.aliases {
		if a.version == number {
			return conflict("Version " + number + " is referenced by alias " + name + ": delete or move the alias first") // the text is ours
		}
	}
	i := slices.IndexFunc(f.published, func(v *version) bool { return v.number == number })
	if i < 0 {
		return nil // as on AWS, which deletes what is not there
	}
	s.bury(f.published[i])
	f.published = slices.Delete(f.published, i, i+1)
	return nil
}

// bury ends what has been deleted.
func (s *Service) bury(v *version) {
	s.retire(v)
	v.code.drop()
}
