package processor

import (
	"fmt"
	"path"
	"runtime"
	"strings"
)

// panicked is a handler's panic, caught. It goes to the failure queue as the reason: the place first, for lists are cut.
type panicked struct{ place, text string }

func (p panicked) Error() string { return "the handler panicked" + p.place + ": " + p.text }

// maxFrames bounds how deep a panic is looked for.
const maxFrames = 64

// placeOfPanic says where the panic was that a deferred function has just recovered: there the stack of who panicked is
// still to be seen, below the runtime's own functions. It is "" when nothing of ours is.
func placeOfPanic() string {
	pcs := make([]uintptr, maxFrames)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for begun, more := false, true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			begun = true
		case begun && !strings.HasPrefix(f.Function, "runtime."):
			return fmt.Sprintf(" at %s:%d", path.Join(path.Base(path.Dir(f.File)), path.Base(f.File)), f.Line)
		}
	}
	return ""
}
