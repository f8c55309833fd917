package lambda

import (
	"fmt"
	"sync"
	"time"
)

// MaxLog bounds Answer.Log: AWS gives the last 4 KB of an invocation's log.
const MaxLog = 4 << 10

// tail keeps the end of what an instance writes during one invocation. It is safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// begin forgets the invocation before, and starts the log of the next one.
func (t *tail) begin(e *event, number string) {
	t.mu.Lock()
	t.text = t.text[:0]
	t.mu.Unlock()
	t.add(fmt.Appendf(nil, "START RequestId: %s Version: %s", e.id, number))
}

func (t *tail) add(line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.text) > 2*MaxLog {
		t.text = append(t.text[:0], t.text[len(t.text)-MaxLog:]...)
	}
	t.text = append(append(t.text, line...), '\n')
}

// end gives the end of the log, with what AWS writes behind an invocation. How much memory it took is not known here.
func (t *tail) end(e *event, took time.Duration, memoryMB int) []byte {
	t.add(fmt.Appendf(nil, "END RequestId: %s", e.id))
	t.add(fmt.Appendf(nil, "REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB",
		e.id, float64(took)/float64(time.Millisecond), (took+time.Millisecond-1)/time.Millisecond, memoryMB))
	t.mu.Lock()
	defer t.mu.Unlock()
	text := append([]byte(nil), t.text...)
	return text[max(0, len(text)-MaxLog):]
}
