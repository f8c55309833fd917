package main

import (
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/millrace/millrace/internal/config"
)

// Lambda's names of the instruction sets.
const (
	ARM64 = "arm64" // a fifth cheaper per second than x86_64
	X86   = "x86_64"
)

// Bounds of a Kinesis stream (AWS: "Quotas and limits", Kinesis Data Streams).
const (
	maxShards    = 500 // the lowest default quota of an account and region
	minRetention = 24 * time.Hour
	maxRetention = 8760 * time.Hour
)

// Settings is what may be chosen of a deployment. The zero value is not valid: start from DefaultSettings.
type Settings struct {
	Architecture string           // instruction set of the functions: ARM64 or X86
	Shards       int              // open shards of the stream when it is created
	Retention    time.Duration    // how long the stream keeps a record, whole hours
	Processor    config.Processor // what the processor is told by its environment
	KeepData     bool             // whether stream, table, failure queue and key outlive the stack
}

// DefaultSettings gives the settings of a production deployment.
func DefaultSettings() Settings {
	return Settings{
		Architecture: ARM64,
		Shards:       2,
		Retention:    minRetention,
		Processor:    config.DefaultProcessor(),
		KeepData:     true,
	}
}

// Validate names every setting that is out of its range.
func (s Settings) Validate() error {
	var errs []error
	if s.Architecture != ARM64 && s.Architecture != X86 {
		errs = append(errs, fmt.Errorf("architecture is %q: want %s or %s", s.Architecture, ARM64, X86))
	}
	if s.Shards < 1 || s.Shards > maxShards {
		errs = append(errs, fmt.Errorf("shards is %d: want 1 to %d", s.Shards, maxShards))
	}
	if s.Retention < minRetention || s.Retention > maxRetention || s.Retention%time.Hour != 0 {
		errs = append(errs, fmt.Errorf("retention is %v: want whole hours, %v to %v", s.Retention, minRetention, maxRetention))
	}
	if err := s.Processor.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("processor: %w", err))
	}
	if want := min(bits.Len(uint(s.Shards-1)), config.MaxBits); s.Shards > 0 && s.Processor.Bits < want {
		errs = append(errs, fmt.Errorf("processor: bits is %d: want %d or more for %d shards; the table keeps what it was first used with", s.Processor.Bits, want, s.Shards))
	}
	return errors.Join(errs...)
}
