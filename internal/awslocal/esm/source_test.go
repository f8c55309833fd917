package esm

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestStreamDeleted_RunFails_AndTheMappingIsDisabled(t *testing.T) {
	play(t, func(w *world) {
		w.stream.put(shard0, "r1")
		w.run(1)
		w.loseStream()
		if st := w.mapping.Status(); st.State != Disabled || st.StateTransitionReason != ReasonSource || st.Counters.Settled != 1 {
			t.Errorf("status %+v", st)
		}
	})
}

// loseStream deletes the stream of a mapping that reads it, which ends Run.
func (w *world) loseStream() {
	w.t.Helper()
	w.stream.update(func() { w.stream.deleted = true })
	if err := <-w.ended; err == nil || !strings.Contains(err.Error(), "read shard "+shard0) {
		w.t.Errorf("Run = %v", err)
	}
	w.cancel()
	w.cancel = nil
}

func TestStreamCreatedAgain_Enabled_BeginsAnewAtTheStartingPosition(t *testing.T) {
	play(t, func(w *world) {
		w.stream.put(shard0, "r1")
		w.run(1)
		w.loseStream()
		w.stream.recreate()
		w.stream.put(shard0, "r2")
		w.mapping.Enable()
		w.resume()
		w.await(2)
		w.wantCalls("r1", "r2")
		w.wantCheckpoint(shard0, "r2")
		if st := w.mapping.Status(); st.State != Enabled || st.StateTransitionReason != ReasonUser {
			t.Errorf("status %+v", st)
		}
	})
}

func TestStreamCreatedAgain_Latest_PassesOverWhatIsThere(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.StartingPosition = Latest
		w.start()
		synctest.Wait()
		w.stream.put(shard0, "r1")
		w.await(1)
		w.loseStream()
		w.stream.recreate()
		w.stream.put(shard0, "r2")
		w.mapping.Enable()
		w.resume()
		w.pass(time.Second)
		w.stream.put(shard0, "r3")
		w.await(2)
		w.wantCalls("r1", "r3")
	})
}

func TestStreamCreatedAgain_WhileDisabled_BeginsAnewToo(t *testing.T) {
	play(t, func(w *world) {
		w.stream.put(shard0, "r1")
		w.run(1)
		if err := w.mapping.Disable(w.t.Context()); err != nil {
			t.Fatal(err)
		}
		w.stream.recreate()
		w.stream.put(shard0, "r2")
		w.mapping.Enable()
		w.await(2)
		w.wantCalls("r1", "r2")
	})
}
