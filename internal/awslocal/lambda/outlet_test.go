package lambda

import (
	"slices"
	"testing"
	"time"
)

// newTestOutlet gives an outlet and the lines that it has handed on. Nobody follows it yet.
func newTestOutlet(t *testing.T) (*outlet, *[]string) {
	t.Helper()
	lines := new([]string)
	o, err := newOutlet(func(line []byte) { *lines = append(*lines, string(line)) })
	if err != nil {
		t.Fatal(err)
	}
	return o, lines
}

func TestOutlet_Drain_HandsOnWhatIsThere(t *testing.T) {
	o, lines := newTestOutlet(t)
	o.drain() // there is nothing, and it does not wait
	if _, err := o.in.WriteString("one\ntwo\nthr"); err != nil {
		t.Fatal(err)
	}
	o.drain()
	if !slices.Equal(*lines, []string{"one", "two"}) {
		t.Errorf("handed on %q", *lines)
	}
	if _, err := o.in.WriteString("ee\nfour"); err != nil {
		t.Fatal(err)
	}
	if err := o.in.Close(); err != nil {
		t.Fatal(err)
	}
	go o.follow()
	o.end()
	if want := []string{"one", "two", "three", "four"}; !slices.Equal(*lines, want) {
		t.Errorf("handed on %q, want %q", *lines, want)
	}
	o.drain() // it is closed
}

func TestOutlet_WriterThatNeverStops_HoldsUpNoDrain(t *testing.T) {
	o, _ := newTestOutlet(t)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			if _, err := o.in.WriteString("and so on\n"); err != nil {
				return
			}
		}
	}()
	for range 100 {
		o.drain()
	}
	if err := o.in.Close(); err != nil {
		t.Fatal(err)
	}
	<-stopped
	go o.follow()
	o.end()
}

// The writer has left its process's group: nobody has killed it.
func TestOutlet_WriterThatNeverStops_HoldsUpNoEnd(t *testing.T) {
	const enough = 1000
	var o *outlet
	lines := 0
	o, err := newOutlet(func([]byte) {
		if lines++; lines == 1 {
			_ = o.out.SetReadDeadline(time.Unix(1, 0)) // as end's is in the end
		}
		if lines < enough {
			_, _ = o.in.WriteString("and so on\n")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.in.WriteString("it begins\n"); err != nil {
		t.Fatal(err)
	}
	o.follow()
	if lines == enough {
		t.Error("it is followed as long as it writes")
	}
	_ = o.in.Close()
}
