package ledger

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/meter"
)

// Where times are scattered, the events of one log are taken together: as many segments as logs, not as many as runs.
func TestCommit_AnyOrder_WritesOneSegmentALog(t *testing.T) {
	segments := func(anyOrder bool) int64 {
		m, s := firstMeter(t), newStore()
		var es []meter.Effect
		var all []int
		for n := range 30 {
			// Four logs by turns, and groups enough to fill several transactions.
			es = append(es, effect(m, n, noon.Add(time.Duration(n%4)*15*time.Minute), ownGroup(n)))
			all = append(all, n)
		}
		l := ledgerAt(s, func(o *Options) { o.AnyOrder = anyOrder })
		fullLimits.actions = 10
		defer func() { fullLimits.actions = maxActions }()
		wantOutcomes(t, mustHand(t, l, es), strings.Repeat("C", len(es)))
		wantOnce(t, s, m, all...)
		return l.Stats().Segments
	}
	if with, without := segments(true), segments(false); with > 10 || without < 16 {
		t.Errorf("%d segments in any order, %d in the batch's", with, without)
	}
}
