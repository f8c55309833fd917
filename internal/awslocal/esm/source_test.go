package esm

import (
	"strings"
	"testing"
)

func TestStreamDeleted_RunFails_AndTheMappingIsDisabled(t *testing.T) {
	play(t, func(w *world) {
		w.stream.put(shard0, "r1")
		w.run(1)
		w.stream.update(func() { w.stream.deleted = true })
		if err := <-w.ended; err == nil || !strings.Contains(err.Error(), "read shard "+shard0) {
			t.Errorf("Run = %v", err)
		}
		w.cancel()
		w.cancel = nil
		if st := w.mapping.Status(); st.State != Disabled || st.Counters.Settled != 1 {
			t.Errorf("status %+v", st)
		}
	})
}
