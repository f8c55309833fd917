package kinesis

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// iteratorLife is for how long a shard iterator may be used, in ms: five minutes by GetShardIterator in the API reference.
const iteratorLife = 300_000

// iterator is what a shard iterator says. On the wire it is base64 of a version, five numbers and the stream's name.
type iterator struct {
	made   int64  // when it was given out, ms
	stream uint64 // the stream's serial
	shard  uint32
	place  uint64 // of the record to read next
	age    uint32 // the stream's count of iterators' expiries when it was made
	name   string // of the stream
}

const (
	iteratorVersion = 1
	iteratorHead    = 1 + 8 + 8 + 4 + 8 + 4 // bytes before the name
)

func (it iterator) append(out []byte) []byte {
	var b [iteratorHead + maxName]byte
	raw := append(b[:0], iteratorVersion)
	raw = binary.BigEndian.AppendUint64(raw, uint64(it.made))
	raw = binary.BigEndian.AppendUint64(raw, it.stream)
	raw = binary.BigEndian.AppendUint32(raw, it.shard)
	raw = binary.BigEndian.AppendUint64(raw, it.place)
	raw = binary.BigEndian.AppendUint32(raw, it.age)
	raw = append(raw, it.name...)
	return base64.StdEncoding.AppendEncode(out, raw)
}

var errIterator = errors.New("not a shard iterator")

func parseIterator(token string) (iterator, error) {
	raw, err := base64.StdEncoding.DecodeString(token)
	if err != nil || len(raw) <= iteratorHead || raw[0] != iteratorVersion {
		return iterator{}, errIterator
	}
	return iterator{
		made:   int64(binary.BigEndian.Uint64(raw[1:])),
		stream: binary.BigEndian.Uint64(raw[9:]),
		shard:  binary.BigEndian.Uint32(raw[17:]),
		place:  binary.BigEndian.Uint64(raw[21:]),
		age:    binary.BigEndian.Uint32(raw[29:]),
		name:   string(raw[iteratorHead:]),
	}, nil
}

// check refuses an iterator that has expired.
func (it iterator) check(now int64) error {
	if now-it.made <= iteratorLife {
		return nil
	}
	const form = "Mon Jan 02 15:04:05 UTC 2006"
	return wire.Errorf("ExpiredIteratorException", "Iterator expired. The iterator was created at time %s while right now it is %s "+
		"which is further in the future than the tolerated delay of %d milliseconds.",
		time.UnixMilli(it.made).UTC().Format(form), time.UnixMilli(now).UTC().Format(form), iteratorLife)
}

type getShardIteratorInput struct {
	target
	ShardID                string `json:"ShardId"`
	ShardIteratorType      PositionType
	StartingSequenceNumber string
	Timestamp              *float64 // Unix seconds
}

type getShardIteratorOutput struct{ ShardIterator string }

func (s *Service) getShardIterator(_ context.Context, in *getShardIteratorInput) (*getShardIteratorOutput, error) {
	var v violations
	in.check(&v)
	v.name(in.ShardID, "shardId")
	v.position(in.ShardIteratorType, "shardIteratorType")
	v.number(in.StartingSequenceNumber, "startingSequenceNumber")
	if err := v.Err(); err != nil {
		return nil, err
	}
	st, sh, err := s.findShard(in.target, in.ShardID)
	if err != nil {
		return nil, err
	}
	from, err := in.position(s.nowMillis())
	if err != nil {
		return nil, err
	}
	place, err := sh.place(from)
	if err != nil {
		return nil, err
	}
	it := iterator{made: s.nowMillis(), stream: st.serial, shard: sh.number, place: place, age: st.iterators.Load(), name: st.name}
	return &getShardIteratorOutput{string(it.append(nil))}, nil
}

// findShard gives a shard that a request names together with its stream. A bad id is reported before the stream is looked
// for, and a stream that is not there by its shard.
func (s *Service) findShard(t target, id string) (*stream, *shard, error) {
	if err := s.checkIDs(t, id); err != nil {
		return nil, nil, err
	}
	st, err := s.find(t)
	if e := new(wire.Error); errors.As(err, &e) && e.Code == codeNotFound {
		number, _ := parseShardID(id)
		return nil, nil, s.noShard(number, t.name())
	}
	if err != nil {
		return nil, nil, err
	}
	sh, err := st.shard(id)
	return st, sh, err
}

// checkIDs gives the error for ids that are none of any shard's.
func (s *Service) checkIDs(t target, ids ...string) error {
	for _, id := range ids {
		if _, ok := parseShardID(id); !ok && t.name() != "" {
			return s.noShardID(id, t.name())
		}
	}
	return nil
}

// position reads where an iterator is to start.
func (in *getShardIteratorInput) position(now int64) (Position, error) {
	p := Position{Type: in.ShardIteratorType, SequenceNumber: in.StartingSequenceNumber}
	numbered := p.SequenceNumber != ""
	switch p.Type {
	case AtTimestamp:
		return in.timestamp(p, now)
	case AtSequence, AfterSequence:
		if !numbered {
			return p, in.mixed("no StartingSequenceNumber")
		}
	case TrimHorizon, Latest:
		if numbered {
			return p, in.mixed("also a StartingSequenceNumber")
		}
	}
	return p, nil
}

func (in *getShardIteratorInput) mixed(with string) error {
	return invalid("Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or "+
		"(2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified %s and %s.", in.ShardIteratorType, with)
}

func (in *getShardIteratorInput) timestamp(p Position, now int64) (Position, error) {
	if in.Timestamp == nil {
		return p, invalid("Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.")
	}
	at := millis(*in.Timestamp)
	if at > now {
		return p, invalid("The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. "+
			"timestampInMillis: %d, currentTimestampInMillis: %d", at, now)
	}
	p.Timestamp = time.UnixMilli(at)
	return p, nil
}
