package dynamodb

import "context"

type timeToLiveSpecification struct {
	AttributeName *string
	Enabled       *bool
}

type updateTimeToLiveInput struct {
	tableInput
	TimeToLiveSpecification *timeToLiveSpecification
}

type updateTimeToLiveOutput struct {
	TimeToLiveSpecification *timeToLiveSpecification
}

type timeToLiveDescription struct {
	TimeToLiveStatus string
	AttributeName    string `json:",omitzero"`
}

type describeTimeToLiveOutput struct {
	TimeToLiveDescription timeToLiveDescription
}

// updateTimeToLive takes effect at once; AWS takes up to an hour, and allows one change an hour.
func (s *Service) updateTimeToLive(_ context.Context, in *updateTimeToLiveInput) (*updateTimeToLiveOutput, error) {
	name, err := in.checkName()
	if err != nil {
		return nil, err
	}
	spec := in.TimeToLiveSpecification
	if err := spec.check(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.named(name)
	switch {
	case err != nil:
		return nil, err
	case *spec.Enabled && t.ttl != "":
		return nil, invalid("TimeToLive is already enabled")
	case !*spec.Enabled && t.ttl == "":
		return nil, invalid("TimeToLive is already disabled")
	case !*spec.Enabled && t.ttl != *spec.AttributeName:
		return nil, invalid("TimeToLive is active on a different AttributeName: current AttributeName is %s", t.ttl)
	}
	attribute := ""
	if *spec.Enabled {
		attribute = *spec.AttributeName
	}
	t.setTTL(attribute, s.now())
	return &updateTimeToLiveOutput{spec}, nil
}

func (spec *timeToLiveSpecification) check() error {
	var v violations
	v.required(spec != nil, "timeToLiveSpecification")
	if spec != nil {
		v.required(spec.AttributeName != nil, "timeToLiveSpecification.attributeName")
		v.required(spec.Enabled != nil, "timeToLiveSpecification.enabled")
		if spec.AttributeName != nil && *spec.AttributeName == "" {
			v.TooShort("''", "timeToLiveSpecification.attributeName", 1)
		}
	}
	return v.Err()
}

func (s *Service) describeTimeToLive(_ context.Context, in *tableInput) (*describeTimeToLiveOutput, error) {
	name, err := in.checkName()
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	t, err := s.named(name)
	if err != nil {
		return nil, err
	}
	d := timeToLiveDescription{TimeToLiveStatus: "DISABLED"}
	if t.ttl != "" {
		d = timeToLiveDescription{"ENABLED", t.ttl}
	}
	return &describeTimeToLiveOutput{d}, nil
}
