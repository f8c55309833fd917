package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace/millrace/internal/config"
)

// Stream is the stream that a command works on.
type Stream struct {
	stack *Stack
	name  string
}

// Stream adds -stream, which names another stream than the stack's.
func (f *Flags) Stream(s *Stack) *Stream {
	st := &Stream{stack: s}
	f.StringVar(&st.name, "stream", "", "`NAME` of the stream, instead of the stack's")
	return st
}

// Find gives the stream's name. Without -stream the stack is asked.
func (s *Stream) Find(ctx context.Context, cfg aws.Config) (string, error) {
	if s.name != "" {
		return s.name, nil
	}
	return s.stack.Output(ctx, cfg, config.OutputStream)
}

// String says which stream it is before it has been found.
func (s *Stream) String() string {
	if s.name != "" {
		return "stream " + s.name
	}
	return "stack " + s.stack.Name
}

// ExplainStream adds to an error that there is no such stream what to do about it. Others stay as they are.
func ExplainStream(name string, err error) error {
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return fmt.Errorf("there is no stream %s: -stream or -stack names another one: %w", name, err)
	}
	return err
}
