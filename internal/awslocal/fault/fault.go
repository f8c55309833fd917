// Package fault tells the local AWS endpoint when and how to fail: the same seed and the same calls give the same faults.
package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kind is a way in which a call goes wrong.
type Kind uint8

// The kinds of fault. Before and After are seen from the moment at which the call takes effect.
const (
	None     Kind = iota
	Throttle      // not applied; the service's own throttling error
	Partial       // the operation does a part: PutRecords, SendMessageBatch, BatchGetItem, Query (a short page); a
	// transaction is cancelled for a conflict; others ignore it
	Error      // not applied; HTTP 500
	Delay      // applied after Rule.Delay
	Hang       // applied, but no answer for Rule.Delay, and then the connection drops
	DropAfter  // applied, then the connection drops: the caller cannot know
	KillBefore // the function process that calls is killed, nothing is applied
	KillAfter  // applied, then the function process that calls is killed
	Timeout    // Lambda only: the function process is stopped until its time-out kills it
	Expire     // Kinesis GetRecords only: the iterator has expired
)

var kindNames = [...]string{"none", "throttle", "partial", "error", "delay", "hang", "drop-after", "kill-before", "kill-after", "timeout", "expire"}

// String gives the name that ParseKind reads.
func (k Kind) String() string { return kindNames[k] }

// ParseKind reads the name of a kind of fault; "none" is none.
func ParseKind(name string) (Kind, error) {
	i := slices.Index(kindNames[:], name)
	if i <= int(None) {
		return None, fmt.Errorf("fault kind %q: want one of %s", name, strings.Join(kindNames[1:], ", "))
	}
	return Kind(i), nil
}

// Rule makes some calls of one operation fail.
type Rule struct {
	// Operation is the service and the operation, as in "DynamoDB.TransactWriteItems", "Lambda.Invoke".
	Operation string
	Kind      Kind
	// Probability of a fault, 0 to 1, drawn for each call. 1 with Count n: the next n calls.
	Probability float64
	// Count bounds how often the rule fires; 0 is without bound.
	Count int
	// Delay is for Delay and Hang.
	Delay time.Duration
}

// Fired is a rule, as it was added, and how often it has fired.
type Fired struct {
	Operation   string  `json:"operation"`
	Kind        string  `json:"kind"`
	Probability float64 `json:"probability"`
	Count       int     `json:"count,omitzero"`
	Delay       string  `json:"delay,omitzero"`
	Times       int     `json:"times"`
}

// Injector decides which calls fail. Its zero value and nil never do. It is safe for concurrent use; with concurrent
// callers the draws are the same, but which caller meets which draw is not.
type Injector struct {
	mu    sync.Mutex
	rng   *rand.Rand
	rules []*armed // all, for the report
	live  []*armed // those that can still fire
}

type armed struct {
	Rule
	fired int
}

// MaxRules is how many rules Add keeps until Clear: each call of an operation walks those that can still fire.
const MaxRules = 1000

// New makes an injector whose draws follow from seed. Its own rules may be more than MaxRules.
func New(seed uint64, rules ...Rule) *Injector {
	i := &Injector{rng: rand.New(rand.NewPCG(seed, 0x6d696c6c72616365))}
	i.arm(rules)
	return i
}

// Add arms more rules: all, or none and an error when they would be more than MaxRules. Of several rules for one
// operation the first that fires wins.
func (i *Injector) Add(rules ...Rule) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if n := len(i.rules) + len(rules); n > MaxRules {
		return fmt.Errorf("%d rules: want at most %d; spent ones count until all are cleared", n, MaxRules)
	}
	i.arm(rules)
	return nil
}

func (i *Injector) arm(rules []Rule) {
	if i.rng == nil {
		i.rng = rand.New(rand.NewPCG(0, 0))
	}
	for _, r := range rules {
		a := &armed{Rule: r}
		i.rules, i.live = append(i.rules, a), append(i.live, a)
	}
}

// Clear disarms every rule and forgets what has fired.
func (i *Injector) Clear() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.rules, i.live = nil, nil
}

// Next draws the fate of one call: a rule of kind None lets it pass.
func (i *Injector) Next(operation string) Rule {
	if i == nil {
		return Rule{}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, r := range i.live {
		if r.Operation != operation || i.rng.Float64() >= r.Probability {
			continue
		}
		if r.fired++; r.fired == r.Count {
			i.live = slices.Delete(i.live, n, n+1)
		}
		return r.Rule
	}
	return Rule{}
}

// Report tells what has been done so far, rules that never fired included, in the order in which they were added.
func (i *Injector) Report() []Fired {
	if i == nil {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	out := make([]Fired, 0, len(i.rules))
	for _, r := range i.rules {
		f := Fired{Operation: r.Operation, Kind: r.Kind.String(), Probability: r.Probability, Count: r.Count, Times: r.fired}
		if r.Delay != 0 {
			f.Delay = r.Delay.String()
		}
		out = append(out, f)
	}
	return out
}

type contextKey struct{}

// With hands a fault to the operation that has to act it out itself (Partial, Expire).
func With(ctx context.Context, k Kind) context.Context {
	return context.WithValue(ctx, contextKey{}, k)
}

// Of tells which fault the operation has to act out, None in most calls.
func Of(ctx context.Context) Kind {
	k, _ := ctx.Value(contextKey{}).(Kind)
	return k
}
