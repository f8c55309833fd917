package ledger

import (
	"crypto/md5"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/cloudevent"
	"github.com/millrace/millrace/internal/meter"
)

// LiveSet is the set that the stream feeds; a replay may build others.
const LiveSet = "live"

// Layout is how a table is laid out. It is written with the first event and rules from then on, whatever the settings
// say: with another one the marks of old events would not be found.
type Layout struct {
	Bits    int           // log2 of the number of buckets, 0 to 8
	Epoch   time.Duration // event time that one log covers, whole seconds, at least one
	Horizon time.Duration // an event older than this is late; 0: none is
}

// LogValue has the layout in the words of the settings.
func (l Layout) LogValue() slog.Value {
	horizon := "none"
	if l.Horizon > 0 {
		horizon = l.Horizon.String()
	}
	return slog.GroupValue(slog.Int("bits", l.Bits), slog.String("epoch", l.Epoch.String()), slog.String("horizon", horizon))
}

// maxBits of a layout: 256 buckets.
const maxBits = 8

// partBits more than the buckets' spread the aggregates of one window over 8 parts a bucket: a partition of DynamoDB's
// takes 1,000 write units a second.
const partBits = 3

func (l Layout) parts() int { return 1 << (l.Bits + partBits) }

// grace is how long a log, or an aggregate, outlives the last moment at which an event of its time is accepted: for
// clocks that differ, and for invocations that are still under way.
const grace = 24 * time.Hour

// logKey names one log: a bucket of keys in one epoch of event time.
type logKey struct {
	bucket int
	epoch  int64 // start, Unix seconds
}

func (l Layout) logOf(id cloudevent.Identity) logKey {
	return logKey{int(id.KeyHash >> (64 - l.Bits)), meter.Floor(id.Time, l.Epoch)}
}

// late tells whether an event lies beyond the horizon. What is not late has a log that has not begun to expire.
func late(id cloudevent.Identity, horizon time.Duration, now time.Time) bool {
	return horizon > 0 && id.Time.Before(now.Add(-horizon))
}

// expiry is when a log's segments may be deleted, Unix seconds; 0 for never. All segments of a log share it, so a log
// is never half there when it may still be read.
func (l Layout) expiry(k logKey, horizon time.Duration) int64 {
	if horizon == 0 {
		return 0
	}
	return k.epoch + int64((l.Epoch+horizon+grace)/time.Second)
}

// Keys hold the set's space: LiveSet, or what set.go makes of another set's name.

func (l Layout) logPK(space string, k logKey) string {
	return "ledger#" + space + "#" + strconv.Itoa(k.bucket) + "#" + instant(k.epoch)
}

// versionSK is a segment's sort key: as many digits as make text order number order for good.
func versionSK(version uint64) string { return fmt.Sprintf("%012d", version) }

// aggregateKey names one aggregate of one writer's shard.
type aggregateKey struct {
	meter *meter.Meter
	start int64
	group string
}

func keyOf(d *meter.Delta) aggregateKey { return aggregateKey{d.Meter, d.Start, d.Group} }

func (l Layout) aggregatePK(space string, k aggregateKey) string {
	return l.partPK(space, k.meter, k.start, l.part(k.group))
}

func (l Layout) partPK(space string, m *meter.Meter, start int64, part int) string {
	return "meter#" + space + "#" + m.ID() + "#" + instant(start) + "#" + fmt.Sprintf("%04d", part)
}

func (l Layout) part(group string) int {
	sum := md5.Sum([]byte(group))
	return (int(sum[0])<<8 | int(sum[1])) >> (16 - partBits - l.Bits)
}

func aggregateSK(group, shard string) string { return group + "#" + shard }

func windowsPK(space string, m *meter.Meter) string { return "windows#" + space + "#" + m.ID() }

// setsPK is the partition of the sets' entries, by name, and partitionsPK that of the partition keys that one of them has
// written.
const setsPK = "sets"

func partitionsPK(space string) string { return "set#" + space }

// instant writes a Unix time in UTC; within four-digit years text order is time order.
func instant(s int64) string { return time.Unix(s, 0).UTC().Format(time.RFC3339) }
