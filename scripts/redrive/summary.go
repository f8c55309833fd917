package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/cli"
)

// summary is what a redrive has come to.
type summary struct {
	Records struct {
		HandedOver int            `json:"handedOver"`
		Counted    int            `json:"counted"`
		Copies     int            `json:"copies"`
		Nothing    int            `json:"nothing"`
		Failed     map[string]int `json:"failed"` // by class
		Unsettled  int            `json:"unsettled"`
		Reasons    []unsettledFor `json:"unsettledFor,omitempty"`
	} `json:"records"`
	Failures struct {
		Settled   int `json:"settled"`
		Failed    int `json:"failed"`
		Unsettled int `json:"unsettled"`
		Trimmed   int `json:"trimmed"`
		Untouched int `json:"untouched"`
	} `json:"failures"`
	Messages struct {
		Deleted     int `json:"deleted"`
		Sent        int `json:"sent"`
		OtherStream int `json:"otherStream"`
		NotOurs     int `json:"notOurs"`
	} `json:"messages"`
	Trimmed          []missingRange `json:"trimmed"`
	Seconds          float64        `json:"seconds"`
	RecordsPerSecond float64        `json:"recordsPerSecond"`
	Part             bool           `json:"part,omitzero"`    // the queue had more than was read
	Stopped          string         `json:"stopped,omitzero"` // why it ended early
}

func newSummary(p *plan, t *tally, took time.Duration, stopped error) *summary {
	s := &summary{Seconds: took.Seconds(), Part: p.part}
	s.Records.HandedOver, s.Records.Counted, s.Records.Copies, s.Records.Nothing = t.Records, t.Counted, t.Copies, t.Nothing
	s.Records.Failed, s.Records.Unsettled, s.Records.Reasons = t.Failed, t.Unsettled, t.Reasons
	s.Messages.Deleted, s.Messages.Sent, s.Messages.OtherStream, s.Messages.NotOurs = t.Deleted, t.Sent, len(p.strange), len(p.foreign)
	if took > 0 {
		s.RecordsPerSecond = float64(t.Records) / took.Seconds()
	}
	s.Trimmed = p.missingRanges()
	switch {
	case errors.Is(stopped, context.Canceled): // Ctrl-C, wherever it struck
		s.Stopped = "interrupted"
	case stopped != nil:
		s.Stopped = stopped.Error()
	}
	for _, it := range p.items {
		switch it.state() {
		case stateSettled:
			s.Failures.Settled++
		case stateFailed:
			s.Failures.Failed++
		case stateUnsettled:
			s.Failures.Unsettled++
		case stateTrimmed:
			s.Failures.Trimmed++
		case stateUntouched:
			s.Failures.Untouched++
		}
	}
	return s
}

// write writes the summary, as a table for people or as an object.
func (s *summary) write(w io.Writer, asJSON bool) error {
	if asJSON {
		return writeObject(w, s)
	}
	t := cli.NewTable("what", "number", "")
	t.Add("counted", s.Records.Counted, "user records: now, in every meter that they match")
	t.Add("copies", s.Records.Copies, "that were counted before")
	t.Add("nothing", s.Records.Nothing, "that nobody wants")
	failed := "again"
	if len(s.Records.Failed) > 0 {
		failed += ": " + byClass(s.Records.Failed)
	}
	t.Add("failed", total(s.Records.Failed), failed)
	t.Add("unsettled", s.Records.Unsettled, "neither: redrive them again")
	t.Add("deleted", s.Messages.Deleted, "messages: what they tell of is settled, or stands in another one")
	t.Add("sent", s.Messages.Sent, "messages, with payload and the new reason of what failed")
	t.Add("kept", s.Failures.Failed+s.Failures.Unsettled+s.Failures.Trimmed+s.Failures.Untouched, s.kept())
	if err := t.Write(w, cli.Text); err != nil {
		return err
	}
	if err := writeUnsettled(w, s.Records.Reasons); err != nil {
		return err
	}
	return writeMissing(w, s.Trimmed)
}

func (s *summary) kept() string {
	f := &s.Failures
	return fmt.Sprintf("failures: %s failed again, %s unsettled, %s trimmed, %s not come to", cli.Thousands(int64(f.Failed)), cli.Thousands(int64(f.Unsettled)),
		cli.Thousands(int64(f.Trimmed)), cli.Thousands(int64(f.Untouched)))
}

func total(classes map[string]int) (n int) {
	for _, c := range classes {
		n += c
	}
	return n
}

// byClass lists how many there are of each class.
func byClass(classes map[string]int) string {
	var parts []string
	for _, c := range slices.Sorted(maps.Keys(classes)) {
		parts = append(parts, fmt.Sprintf("%s %s", cli.Printable(c), cli.Thousands(int64(classes[c]))))
	}
	return strings.Join(parts, ", ")
}

// verdict is an error when something that was to be redriven is left in the queue.
func (s *summary) verdict() error {
	f := &s.Failures
	switch {
	case s.Stopped != "": // which is an error of its own
		return nil
	case s.Records.Unsettled > 0:
		return fmt.Errorf("%s unsettled, and still in the queue: redrive again when what they wait for is over", are(s.Records.Unsettled, "record"))
	case s.Part:
		return errors.New("the queue had more than is read at once: redrive again")
	case f.Failed+f.Unsettled+f.Trimmed+f.Untouched > 0:
		return fmt.Errorf("%s left in the queue, for the reasons that the list gives", are(f.Failed+f.Unsettled+f.Trimmed+f.Untouched, "failure"))
	}
	return nil
}
