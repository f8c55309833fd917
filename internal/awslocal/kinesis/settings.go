package kinesis

import (
	"context"
	"time"
)

// checkRetention holds a retention to AWS's bounds: whole hours, a day to 365.
func checkRetention(d time.Duration) error {
	const bound = "%s allowed retention period is %d hours. Requested retention period (%d hours) is too %s."
	hours := int(d / time.Hour)
	switch {
	case d < minRetention:
		return invalid(bound, "Minimum", int(minRetention.Hours()), hours, "short")
	case d > maxRetention:
		return invalid(bound, "Maximum", int(maxRetention.Hours()), hours, "long")
	case d%time.Hour != 0: // no request can say so: the text is ours
		return invalid("Requested retention period (%s) is not whole hours.", d)
	}
	return nil
}

type retentionInput struct {
	target
	RetentionPeriodHours *int
}

func (s *Service) increaseRetention(_ context.Context, in *retentionInput) (*empty, error) {
	return s.changeRetention(in, func(now, wanted int, name string) error {
		if wanted < now {
			return invalid("Requested retention period (%d hours) for stream %s can not be shorter than existing retention period (%d hours). "+
				"Use DecreaseRetentionPeriod API.", wanted, name, now)
		}
		return nil
	})
}

// decreaseRetention makes what is beyond the new retention unreadable at once.
func (s *Service) decreaseRetention(_ context.Context, in *retentionInput) (*empty, error) {
	return s.changeRetention(in, func(now, wanted int, name string) error {
		if wanted > now {
			return invalid("Requested retention period (%d hours) for stream %s can not be longer than existing retention period (%d hours). "+
				"Use IncreaseRetentionPeriod API.", wanted, name, now)
		}
		return nil
	})
}

func (s *Service) changeRetention(in *retentionInput, check func(now, wanted int, name string) error) (*empty, error) {
	var v violations
	hours := v.count(in.RetentionPeriodHours, "retentionPeriodHours")
	in.check(&v)
	if err := v.Err(); err != nil {
		return nil, err
	}
	st, err := s.find(in.target)
	if err != nil {
		return nil, err
	}
	wanted := time.Duration(hours) * time.Hour
	if err := checkRetention(wanted); err != nil {
		return nil, err
	}
	if err := check(st.retentionHours(), hours, st.name); err != nil {
		return nil, err
	}
	st.retention.Store(wanted.Milliseconds())
	return &empty{}, nil
}

func (st *stream) retentionHours() int {
	return int(time.Duration(st.retention.Load()) * time.Millisecond / time.Hour)
}

func (st *stream) mode() string {
	if st.onDemand.Load() {
		return onDemand
	}
	return provisioned
}

type updateStreamModeInput struct {
	StreamARN         string
	StreamModeDetails *modeDetails
}

// updateStreamMode leaves the shards as they are, as AWS does.
func (s *Service) updateStreamMode(_ context.Context, in *updateStreamModeInput) (*empty, error) {
	var v violations
	v.given(in.StreamARN, "streamARN")
	if in.StreamModeDetails == nil {
		v.Null("streamModeDetails")
	} else {
		v.mode(in.StreamModeDetails.StreamMode)
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	st, err := s.stream(in.StreamARN)
	if err != nil {
		return nil, err
	}
	st.onDemand.Store(in.StreamModeDetails.StreamMode == onDemand)
	return &empty{}, nil
}

// The kinds of encryption. Nothing is encrypted here: the setting is only told again.
const (
	encryptionNone = "NONE"
	encryptionKMS  = "KMS"
)

func (st *stream) encryption() (kind, key string) {
	if k := st.key.Load(); k != nil {
		return encryptionKMS, *k
	}
	return encryptionNone, ""
}

type encryptionInput struct {
	target
	EncryptionType string
	KeyID          string `json:"KeyId"`
}

func (s *Service) startEncryption(_ context.Context, in *encryptionInput) (*empty, error) {
	return s.setEncryption(in, &in.KeyID)
}

func (s *Service) stopEncryption(_ context.Context, in *encryptionInput) (*empty, error) {
	return s.setEncryption(in, nil)
}

func (s *Service) setEncryption(in *encryptionInput, key *string) (*empty, error) {
	var v violations
	v.oneOf(in.EncryptionType, "encryptionType", encryptionKMS)
	v.given(in.KeyID, "keyId")
	in.check(&v)
	if err := v.Err(); err != nil {
		return nil, err
	}
	st, err := s.find(in.target)
	if err != nil {
		return nil, err
	}
	st.key.Store(key)
	return &empty{}, nil
}
