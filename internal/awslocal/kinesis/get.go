package kinesis

import (
	"context"
	"encoding/base64"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/awslocal/fault"
	"github.com/millrace/millrace/internal/awslocal/wire"
)

// Limits of a page, from GetRecords in the API reference.
const (
	maxPageRecords = 10_000
	maxPageBytes   = 10 << 20 // data and keys: the largest record fits
	maxIterator    = 512      // characters
)

// expired is what a fault says of an iterator.
var expired = wire.Errorf("ExpiredIteratorException", "injected: the iterator has expired")

type getRecordsInput struct {
	ShardIterator string
	Limit         *int
}

// getRecords writes its answer itself: pages are large.
func (s *Service) getRecords(ctx context.Context, request, out []byte) ([]byte, error) {
	var in getRecordsInput
	if err := json.Unmarshal(request, &in); err != nil {
		return nil, wire.Unreadable(err)
	}
	var v violations
	limit := v.limit(in.Limit, maxPageRecords, maxPageRecords, "limit")
	v.given(in.ShardIterator, "shardIterator")
	if len(in.ShardIterator) > maxIterator {
		v.TooLong(wire.Quoted(in.ShardIterator), "shardIterator", maxIterator)
	}
	if err := v.Err(); err != nil {
		return nil, err
	}
	sh, it, err := s.resolve(in.ShardIterator)
	if err != nil {
		return nil, err
	}
	if fault.Of(ctx) == fault.Expire {
		return nil, expired
	}
	if s.enforce && !sh.mayRead() {
		return nil, wire.Errorf(throttled, "%s", sh.exceeded())
	}
	p := sh.read(nil, it.place, limit, maxPageBytes)
	if s.enforce {
		sh.spend(p.size())
	}
	it.made, it.place = s.nowMillis(), p.next
	return sh.appendPage(out, p, it)
}

// resolve gives the shard of an iterator that has not expired.
func (s *Service) resolve(token string) (*shard, iterator, error) {
	it, err := parseIterator(token)
	if err != nil {
		return nil, it, invalid("Invalid ShardIterator.")
	}
	if err := it.check(s.nowMillis()); err != nil {
		return nil, it, err
	}
	s.mu.RLock()
	st := s.streams[it.name]
	s.mu.RUnlock()
	if st == nil || st.serial != it.stream {
		return nil, it, notFound("Shard %s in stream %s under account %s does not exist", shardID(it.shard), it.name, s.account)
	}
	if it.age != st.iterators.Load() {
		return nil, it, expired
	}
	sh, err := st.shard(shardID(it.shard))
	return sh, it, err
}

func (p page) size() int {
	n := 0
	for _, r := range p.runs {
		n += r.size()
	}
	return n
}

// behind is how far a page's end is from the tip of its shard, in ms: the age of its last record, unless the page
// reaches the tip.
func (p page) behind(now int64) int64 {
	if p.tip || len(p.runs) == 0 {
		return 0
	}
	last := p.runs[len(p.runs)-1].entries
	return max(0, now-last[len(last)-1].arrival)
}

// appendPage writes the answer to GetRecords. next is the iterator that reads on; a closed shard that was read to its
// end has none, but tells its children.
func (sh *shard) appendPage(out []byte, p page, next iterator) (_ []byte, err error) {
	if out, err = sh.appendRecords(append(out, '{'), p, next.made); err != nil {
		return nil, err
	}
	if p.end {
		return sh.appendChildren(out)
	}
	out = append(out, `,"NextShardIterator":"`...)
	return append(next.append(out), `"}`...), nil
}

// appendRecords writes the members that every page of records has.
func (sh *shard) appendRecords(out []byte, p page, now int64) (_ []byte, err error) {
	kind, _ := sh.stream.encryption()
	out = append(out, `"MillisBehindLatest":`...)
	out = strconv.AppendInt(out, p.behind(now), 10)
	out = append(out, `,"Records":[`...)
	for i, r := range p.runs {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = sh.appendRun(out, r, kind); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

func (sh *shard) appendRun(out []byte, r run, encryption string) (_ []byte, err error) {
	for place, rec := range r.all() {
		if place > r.first {
			out = append(out, ',')
		}
		out = append(out, `{"SequenceNumber":"`...)
		out = sh.sequence(place, rec.arrival).append(out)
		out = append(out, `","ApproximateArrivalTimestamp":`...)
		out = appendSeconds(out, rec.arrival)
		if encryption != encryptionNone {
			out = append(out, `,"EncryptionType":"`+encryptionKMS+`"`...)
		}
		out = append(out, `,"PartitionKey":`...)
		if out, err = jsontext.AppendQuote(out, rec.key); err != nil {
			return nil, err // cannot be: keys came as JSON strings
		}
		out = append(out, `,"Data":"`...)
		out = base64.StdEncoding.AppendEncode(out, rec.data)
		out = append(out, `"}`...)
	}
	return out, nil
}

// appendSeconds writes a time in ms as Unix seconds with three places.
func appendSeconds(out []byte, ms int64) []byte {
	out = strconv.AppendInt(out, ms/1000, 10)
	part := ms % 1000
	return append(out, '.', byte('0'+part/100), byte('0'+part/10%10), byte('0'+part%10))
}

type childShard struct {
	ShardID      string `json:"ShardId"`
	ParentShards []string
	HashKeyRange hashKeyRange
}

// appendChildren ends the answer at the end of a closed shard.
func (sh *shard) appendChildren(out []byte) ([]byte, error) {
	children := []childShard{}
	for _, c := range sh.stream.shards.Load().all {
		if c.parent != sh.id && c.adjacent != sh.id {
			continue
		}
		parents := []string{c.parent}
		if c.adjacent != "" {
			parents = append(parents, c.adjacent)
		}
		children = append(children, childShard{c.id, parents, c.keys.describe()})
	}
	text, err := json.Marshal(children)
	out = append(append(out, `,"ChildShards":`...), text...)
	return append(out, '}'), err
}
