package lambda

import (
	"net/http"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// alias is a name for a version.
type alias struct {
	name        string
	version     string
	description string
	revision    string
}

type aliasInput struct {
	Name            string
	FunctionVersion *string
	Description     *string
	RevisionID      string `json:"RevisionId"`
	RoutingConfig   *struct{ AdditionalVersionWeights map[string]float64 }
}

// aliasDocument is an alias as the API shows it.
type aliasDocument struct {
	AliasArn        string
	Description     string
	FunctionVersion string
	Name            string
	RevisionID      string `json:"RevisionId"`
}

func (s *Service) aliasDocument(f *function, a *alias) aliasDocument {
	return aliasDocument{s.ARN(f.name + ":" + a.name), a.description, a.version, a.name, a.revision}
}

// setAlias takes what an input gives; the version must be there, and be one: traffic is not divided here.
func (s *Service) setAlias(f *function, a *alias, in aliasInput) error {
	if in.RoutingConfig != nil && len(in.RoutingConfig.AdditionalVersionWeights) > 0 {
		return wire.Unimplemented("Lambda aliases that divide their traffic (RoutingConfig)")
	}
	if in.FunctionVersion != nil {
		if f.version(*in.FunctionVersion) == nil {
			return s.notFound(f.name + ":" + *in.FunctionVersion)
		}
		a.version = *in.FunctionVersion
	}
	if in.Description != nil {
		a.description = *in.Description
	}
	a.revision = wire.NewID()
	return nil
}

func (s *Service) createAlias(r *http.Request) (int, any, error) {
	var in aliasInput
	if err := read(r, &in); err != nil {
		return 0, nil, err
	}
	var v violations
	v.alias(in.Name)
	if in.FunctionVersion == nil {
		v.Null("functionVersion")
	}
	if err := v.Err(); err != nil {
		return 0, nil, err
	}
	name, _ := target(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.functions[name]
	if f == nil {
		return 0, nil, s.notFound(name + ":" + *in.FunctionVersion)
	}
	if f.aliases[in.Name] != nil {
		return 0, nil, conflict("Alias already exists: " + s.ARN(name+":"+in.Name))
	}
	a := &alias{name: in.Name}
	if err := s.setAlias(f, a, in); err != nil {
		return 0, nil, err
	}
	f.aliases[a.name] = a
	return http.StatusCreated, s.aliasDocument(f, a), nil
}

// alias finds the alias that a request's path names, with mu held. What AWS says before the ARN of one that is not there
// is not the same for all operations (recorded by LocalStack, test_non_existent_alias_update).
func (s *Service) alias(r *http.Request, absent string) (*function, *alias, error) {
	name, _ := target(r)
	f := s.functions[name]
	if f != nil && f.aliases[r.PathValue("alias")] != nil {
		return f, f.aliases[r.PathValue("alias")], nil
	}
	return nil, nil, missing(absent + s.ARN(name+":"+r.PathValue("alias")))
}

func (s *Service) getAlias(r *http.Request) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, a, err := s.alias(r, "Cannot find alias arn: ")
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.aliasDocument(f, a), nil
}

func (s *Service) updateAlias(r *http.Request) (int, any, error) {
	var in aliasInput
	if err := read(r, &in); err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, a, err := s.alias(r, "Alias not found: ")
	if err != nil {
		return 0, nil, err
	}
	if in.RevisionID != "" && in.RevisionID != a.revision {
		return 0, nil, errRevision
	}
	if err := s.setAlias(f, a, in); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, s.aliasDocument(f, a), nil
}

// deleteAlias succeeds for an alias that is not there, as on AWS.
func (s *Service) deleteAlias(r *http.Request) (int, any, error) {
	name, _ := target(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.functions[name]
	if f == nil {
		return 0, nil, s.notFound(name)
	}
	delete(f.aliases, r.PathValue("alias"))
	return http.StatusNoContent, nil, nil
}

func (s *Service) listAliases(r *http.Request) (int, any, error) {
	name, _ := target(r)
	only := r.URL.Query().Get("FunctionVersion")
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.functions[name]
	if f == nil {
		return 0, nil, s.notFound(name)
	}
	var all []aliasDocument
	for _, a := range f.aliases {
		if only == "" || a.version == only {
			all = append(all, s.aliasDocument(f, a))
		}
	}
	slices.SortFunc(all, func(a, b aliasDocument) int { return strings.Compare(a.Name, b.Name) })
	page, next, err := wire.Page(r.URL.Query(), maxItems, all, func(a aliasDocument) string { return a.Name })
	return http.StatusOK, struct {
		Aliases    []aliasDocument
		NextMarker string `json:",omitzero"`
	}{page, next}, err
}
