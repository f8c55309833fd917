package cli

import (
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

const (
	barInterval  = 100 * time.Millisecond // between two states of a terminal's bar
	lineInterval = 5 * time.Second        // between two lines elsewhere
)

// Progress tells on stderr how far a long piece of work is, how fast, and how long it will still take: as a bar on a
// terminal, as a line every few seconds elsewhere. Add costs one atomic addition, so it may be called for every record.
// It is safe for concurrent use.
type Progress struct {
	w       io.Writer
	verb    string
	noun    string
	total   int64
	started time.Time
	done    atomic.Int64
	share   atomic.Uint64            // of the work that is done, as the bits of a float64
	bar     *progressbar.ProgressBar // nil where w is no terminal
	end     func()                   // waits for the teller
}

// NewProgress begins to tell of work, as in "put" and "record". total is how much there is, 0 when nobody knows; it
// grows with what is done beyond it. End it.
func NewProgress(w io.Writer, verb, noun string, total int64) *Progress {
	return newProgress(w, verb, noun, total, IsTerminal(w))
}

// IsTerminal tells whether people read what is written there.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func newProgress(w io.Writer, verb, noun string, total int64, terminal bool) *Progress {
	p := &Progress{w: w, verb: verb, noun: noun, total: total, started: time.Now()}
	interval := lineInterval
	if terminal {
		interval = barInterval
		p.bar = newBar(w, verb, noun, total)
	}
	stop := make(chan struct{})
	var teller sync.WaitGroup
	teller.Go(func() { p.tell(interval, stop) })
	p.end = sync.OnceFunc(func() {
		close(stop)
		teller.Wait()
	})
	return p
}

func newBar(w io.Writer, verb, noun string, total int64) *progressbar.ProgressBar {
	if total == 0 {
		total = -1 // a spinner
	}
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(verb),
		progressbar.OptionSetItsString(plural(0, noun)),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetWidth(20),
		progressbar.OptionSetSpinnerChangeInterval(0), // no goroutine of its own: tell moves it
	)
}

// Add tells that n more are done.
func (p *Progress) Add(n int64) { p.done.Add(n) }

// Reach tells which share of the work is done, from 0 to 1, when its total is not known. It may be called for every record.
func (p *Progress) Reach(share float64) { p.share.Store(math.Float64bits(share)) }

// End stops telling, and says in one line what was done in all.
func (p *Progress) End() {
	p.end()
	if p.bar != nil {
		_ = p.bar.Clear() // of what is only to be looked at
	}
	took := time.Since(p.started)
	fmt.Fprintf(p.w, "%s %s in %s%s\n", p.verb, Count(p.done.Load(), p.noun), Duration(took), rate(p.done.Load(), took))
}

// tell shows the state again and again.
func (p *Progress) tell(interval time.Duration, stop <-chan struct{}) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		share, took := math.Float64frombits(p.share.Load()), time.Since(p.started)
		if p.bar == nil {
			fmt.Fprintln(p.w, stateOf(p.verb, p.noun, p.done.Load(), p.total, share, took))
			continue
		}
		if p.total <= 0 && share > 0 {
			p.bar.Describe(p.verb + percent(share) + left(share, took))
		}
		_ = p.bar.Set64(p.shown())
	}
}

// shown is how much the bar takes: it refuses more than its total, and would stand still where it was.
func (p *Progress) shown() int64 {
	if p.total > 0 {
		return min(p.done.Load(), p.total)
	}
	return p.done.Load()
}

// stateOf says in words how far the work is. share is asked where there is no total.
func stateOf(verb, noun string, done, total int64, share float64, took time.Duration) string {
	if total <= 0 {
		what := Count(done, noun)
		if share > 0 {
			what += percent(share)
		}
		return verb + " " + what + rate(done, took) + left(share, took)
	}
	total = max(total, done)
	share = float64(done) / float64(total)
	return fmt.Sprintf("%s %s of %s%s%s%s", verb, Thousands(done), Count(total, noun), percent(share), rate(done, took), left(share, took))
}

func percent(share float64) string {
	const exact = 1e-9 // 29 of 100 are 29 %, and not 28.999...
	return fmt.Sprintf(" (%d %%)", int(100*share+exact))
}

// left says how long the rest will take if it goes on as it went, nothing when that cannot be said.
func left(share float64, took time.Duration) string {
	if share <= 0 || share >= 1 || took <= 0 {
		return ""
	}
	rest := float64(took) * (1 - share) / share
	if rest >= math.MaxInt64 { // the first few of a millisecond tell nothing of a week
		return ""
	}
	return ", " + Duration(time.Duration(rest)) + " left"
}

// rate says how many were done a second, nothing when that cannot be said.
func rate(done int64, took time.Duration) string {
	if done == 0 || took <= 0 {
		return ""
	}
	perSecond := float64(done) / took.Seconds()
	if perSecond < 1 { // slow, and not at a stand
		return fmt.Sprintf(", %.1g/s", perSecond)
	}
	return ", " + Thousands(int64(perSecond)) + "/s"
}
