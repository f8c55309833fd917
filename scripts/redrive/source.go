package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace/millrace/internal/direct"
	"github.com/millrace/millrace/internal/handover"
	"github.com/millrace/millrace/internal/stream"
)

// archive is where the records are that the stream has trimmed. There is none yet.
type archive interface {
	// Read hands over, in order, those records of a span that stand before a sequence number; "" is all of them.
	Read(ctx context.Context, s stream.Span, before string, each func([]direct.Record) error) error
}

// source reads records back.
type source struct {
	api     stream.GetRecordsAPI
	stream  string
	archive archive // nil: what is trimmed is missing
}

// read hands over, in order, the records of a span that there still are.
func (s *source) read(ctx context.Context, span stream.Span, each func([]direct.Record) error) error {
	begun := false
	err := stream.ReadSpan(ctx, s.api, s.stream, span, func(page []types.Record) error {
		if first := aws.ToString(page[0].SequenceNumber); !begun && first != span.First {
			if err := s.trimmed(ctx, span, first, each); err != nil {
				return err
			}
		}
		begun = true
		return each(handover.Records(page))
	})
	if err != nil || begun {
		return err
	}
	return s.trimmed(ctx, span, "", each)
}

func (s *source) trimmed(ctx context.Context, span stream.Span, before string, each func([]direct.Record) error) error {
	if s.archive == nil {
		return nil
	}
	return s.archive.Read(ctx, span, before, each)
}

// walker goes through the records of one shard's failures in order, those that come with their message and those that
// are read back.
type walker struct {
	source *source
	rest   []*item // whose record comes with them, still to come
	hand   func(direct.Record, []*item) error
}

// walk gives each record, with the failures that it is part of, and notes what was read.
func (s *source) walk(ctx context.Context, w *work, hand func(direct.Record, []*item) error) error {
	k := walker{s, w.payloads, hand}
	for i := range w.readings {
		if err := k.read(ctx, &w.readings[i]); err != nil {
			return err
		}
	}
	return k.before("")
}

func (k *walker) read(ctx context.Context, r *reading) error {
	err := k.source.read(ctx, r.span, func(records []direct.Record) error {
		for i := range records {
			if err := k.before(records[i].SequenceNumber); err != nil {
				return err
			}
			if err := k.give(r, &records[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, it := range r.ranges {
		it.read = true
	}
	for _, it := range r.pointers {
		it.read = true
	}
	return nil
}

// before gives the records that come with their message and stand before a sequence number; "" is all of them.
func (k *walker) before(number string) error {
	for len(k.rest) > 0 && (number == "" || stream.CompareSequence(k.rest[0].Record.Sequence, number) < 0) {
		it := k.rest[0]
		k.rest = k.rest[1:]
		it.read = true
		it.handed++
		r := it.Record
		record := direct.Record{SequenceNumber: r.Sequence, PartitionKey: r.Key, Arrival: r.Arrival, Data: r.Payload, User: true}
		if err := k.hand(record, []*item{it}); err != nil {
			return err
		}
	}
	return nil
}

// give gives a record that was read back: once for all ranges that it is in, and a user record of it for each pointer.
func (k *walker) give(r *reading, record *direct.Record) error {
	var owners []*item
	for _, it := range r.ranges {
		if stream.CompareSequence(record.SequenceNumber, it.Batch.First) >= 0 && stream.CompareSequence(record.SequenceNumber, it.Batch.Last) <= 0 {
			it.found(record.SequenceNumber)
			it.handed++
			owners = append(owners, it)
		}
	}
	if owners != nil {
		if err := k.hand(*record, owners); err != nil {
			return err
		}
	}
	for _, it := range r.pointers {
		if it.Record.Sequence != record.SequenceNumber {
			continue
		}
		it.found(record.SequenceNumber)
		it.handed++
		part := *record
		if users := usersOf(record); it.Record.Sub < len(users) {
			part.PartitionKey, part.Data, part.User = users[it.Record.Sub].PartitionKey, users[it.Record.Sub].Data, true
		}
		if err := k.hand(part, []*item{it}); err != nil {
			return err
		}
	}
	return nil
}
