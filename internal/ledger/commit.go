package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/millrace/millrace/internal/meter"
)

// Conditions of the writes.
var (
	absent      = "attribute_not_exists(pk)"
	unchanged   = "#version = :seen"
	versionName = map[string]string{"#version": attrVersion}
)

// maxTries is how often in a row one transaction may fail to get through before the rest of the batch is left for the
// next invocation. With the waits of backoff that is six seconds on the average, eleven at most.
const maxTries = 16

// lossesAtOnce is how often in a row a plan that lost is made again at once: another writer is seldom ahead twice, and
// where many are they had better take turns.
const lossesAtOnce = 2

// errTooMuch is of an effect that no transaction can hold. Meters files are bounded so that it does not arise.
var errTooMuch = errors.New("the event changes more aggregates than one transaction may")

// Commit counts the effects, in order (unless Options.AnyOrder), in as few transactions as hold them, and answers with a
// result for each. The writer's shard names its own part of every aggregate. What could not be settled before ctx ended,
// or while the table was too busy, is Unsettled with the reason: nothing of it has been counted as far as is known, and
// it may be tried again by anybody. Ask Seen before, in the same invocation: it reads the logs that Commit plans with.
func (l *Ledger) Commit(ctx context.Context, set, shard string, effects []meter.Effect) []meter.Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := commit{Ledger: l, set: set, shard: shard, effects: effects, results: make([]meter.Result, len(effects))}
	err := checkShard(shard)
	if err == nil {
		err = l.reopen(ctx, set)
	}
	if err != nil {
		c.giveUp(all(len(effects)), err)
		return c.results
	}
	c.run(ctx)
	c.doubtRefusals()
	return c.results
}

// maxShard is what a sort key has left for the shard's name beside the longest group; AWS's have 20 bytes.
const maxShard = 1024 - meter.MaxGroup - 1

func checkShard(shard string) error {
	if shard == "" || len(shard) > maxShard || strings.Contains(shard, "#") {
		return fmt.Errorf("shard %q: want 1 to %d bytes without #", shard, maxShard)
	}
	return nil
}

func all(n int) []int {
	is := make([]int, n)
	for i := range is {
		is[i] = i
	}
	return is
}

// commit is one call of Commit.
type commit struct {
	*Ledger
	set, shard string
	effects    []meter.Effect
	targets    []target // of the effects
	results    []meter.Result
	tries      int
	narrow     int // at most so many events a transaction, while one that is refused is looked for; 0: no bound
}

func (c *commit) run(ctx context.Context) {
	c.targets = c.resolve(c.effects)
	pending := c.notLate()
	if c.opt.AnyOrder {
		slices.SortStableFunc(pending, func(i, j int) int {
			a, b := c.targets[i].log.key, c.targets[j].log.key
			return cmp.Or(cmp.Compare(a.epoch, b.epoch), a.bucket-b.bucket)
		})
	}
	for len(pending) > 0 {
		if err := c.readAggregates(ctx, pending); err != nil {
			c.giveUp(pending, err)
			return
		}
		lim := fullLimits
		lim.events = c.narrow
		tx := plan(c.effects, c.targets, pending, lim)
		if tx.rest == 0 {
			c.results[pending[0]] = meter.Result{Outcome: meter.Refused, Err: errTooMuch}
			pending = pending[1:]
			continue
		}
		for _, i := range tx.copies {
			c.results[i].Outcome = meter.Copy
		}
		settled, err := c.settle(ctx, &tx)
		if err != nil {
			c.giveUp(without(pending, c.results), err)
			return
		}
		if settled {
			pending = append(without(tx.repeats, c.results), pending[tx.rest:]...)
		}
	}
}

func (c *commit) notLate() []int {
	pending := make([]int, 0, len(c.effects))
	horizon, now := c.horizon(c.set), c.opt.Now()
	for i := range c.effects {
		if late(c.effects[i].ID, horizon, now) {
			c.results[i].Outcome = meter.Late
			continue
		}
		pending = append(pending, i)
	}
	return pending
}

// without gives the pending that have no result yet.
func without(pending []int, results []meter.Result) []int {
	var out []int
	for _, i := range pending {
		if results[i].Outcome == meter.Unsettled {
			out = append(out, i)
		}
	}
	return out
}

func (c *commit) giveUp(pending []int, err error) {
	for _, i := range pending {
		c.results[i] = meter.Result{Outcome: meter.Unsettled, Err: err}
	}
}

// settle writes a transaction and acts on the answer: true when the plan goes on behind it, false when it is to be made
// again, an error when there is no more to be done.
func (c *commit) settle(ctx context.Context, tx *transaction) (bool, error) {
	if len(tx.events) == 0 {
		return true, nil
	}
	v := c.write(ctx, tx)
	switch v.kind {
	case done:
		c.absorb(tx)
		c.tries = 0
		return true, nil
	case refused:
		return c.refuse(tx, v.err), nil
	case stopped:
		return false, v.err
	}
	if c.tries++; c.tries >= maxTries {
		return false, fmt.Errorf("no way through in %d tries: %w", c.tries, v.err)
	}
	if v.kind != lost {
		c.stats.Busy++
	}
	if v.kind != lost || c.tries > lossesAtOnce {
		if err := backoff(ctx, c.tries); err != nil {
			return false, errors.Join(err, v.err)
		}
	}
	return false, c.refresh(ctx, tx, v)
}

// write sends a transaction. Each call has a token of its own, which the SDK makes and keeps through its own retries:
// with one derived from the events, a plan made anew would be refused as another request under an old token.
func (c *commit) write(ctx context.Context, tx *transaction) verdict {
	if err := c.list(ctx, tx); err != nil {
		return judge(err)
	}
	in := &dynamodb.TransactWriteItemsInput{TransactItems: make([]types.TransactWriteItem, 0, len(tx.segments)+len(tx.writes))}
	puts := make([]types.Put, cap(in.TransactItems))
	horizon := c.horizon(c.set)
	add := func(p types.Put) {
		n := len(in.TransactItems)
		puts[n] = p
		puts[n].TableName = &c.table
		in.TransactItems = append(in.TransactItems, types.TransactWriteItem{Put: &puts[n]})
	}
	for _, s := range tx.segments {
		pk := c.layout.logPK(c.memory.space, s.log.key)
		add(types.Put{
			Item:                segmentItem(pk, s.log.version+1, s.ids, c.layout.expiry(s.log.key, horizon)),
			ConditionExpression: &absent,
		})
	}
	for _, w := range tx.writes {
		add(c.aggregatePut(w))
	}
	_, err := c.db.TransactWriteItems(ctx, in)
	return judge(err)
}

func (c *commit) aggregatePut(w write) types.Put {
	a, m := w.aggregate, w.aggregate.key.meter
	p := types.Put{
		Item:                aggregateItem(a.pk, a.sk, c.columns(m), w.next, a.version+1, c.aggregateExpiry(m, a.key.start)),
		ConditionExpression: &absent,
	}
	if a.version > 0 {
		p.ConditionExpression, p.ExpressionAttributeNames = &unchanged, versionName
		p.ExpressionAttributeValues = item{":seen": number(a.version)}
	}
	return p
}

func (c *commit) columns(m *meter.Meter) []columns {
	names, ok := c.memory.columns[m]
	if !ok {
		names = columnsOf(m)
		c.memory.columns[m] = names
	}
	return names
}

// absorb takes what was committed into memory.
func (c *commit) absorb(tx *transaction) {
	for _, i := range tx.events {
		c.results[i].Outcome = meter.Counted
	}
	for _, i := range tx.repeats {
		c.results[i].Outcome = meter.Copy
	}
	for _, s := range tx.segments {
		s.log.version++
		for _, id := range s.ids {
			s.log.ids[id] = struct{}{}
		}
	}
	for _, w := range tx.writes {
		w.aggregate.value = w.next
		w.aggregate.version++
	}
	c.stats.Transactions++
	c.stats.Segments += int64(len(tx.segments))
	c.stats.Aggregates += int64(len(tx.writes))
}

// refuse narrows a refused transaction by halves to the event whose value it was.
func (c *commit) refuse(tx *transaction, err error) bool {
	if n := len(tx.events); n > 1 {
		c.narrow = n / 2
		return false
	}
	c.narrow = 0
	c.results[tx.events[0]] = meter.Result{Outcome: meter.Refused, Err: err}
	return true
}

// believed is how many refusals one call believes without having got anything through itself.
const believed = 3

// doubtRefusals takes refusals back when it is probably not the values that DynamoDB refuses but, say, the table's keys:
// a healthy stream must not drain into the failure queue. Believed is a call that also got something through, or one
// with few refusals in an instance that did so before.
func (c *commit) doubtRefusals() {
	refused := 0
	for i := range c.results {
		if c.results[i].Outcome == meter.Counted {
			return
		}
		if c.byTable(i) {
			refused++
		}
	}
	if refused <= believed && c.stats.Transactions > 0 {
		return
	}
	for i := range c.results {
		if c.byTable(i) {
			c.results[i].Outcome = meter.Unsettled
		}
	}
}

// byTable tells whether an effect was refused by DynamoDB.
func (c *commit) byTable(i int) bool {
	return c.results[i].Outcome == meter.Refused && !errors.Is(c.results[i].Err, errTooMuch)
}

// refresh reads again what the answer shows to be stale: the logs and aggregates that lost, or all of them when it is
// not known whether the transaction was applied; none when it only has to wait.
func (c *commit) refresh(ctx context.Context, tx *transaction, v verdict) error {
	var logs []*log
	stale := func(action int) {
		if action < len(tx.segments) {
			c.stats.LostSegments++
			logs = append(logs, tx.segments[action].log)
			return
		}
		if action -= len(tx.segments); action < len(tx.writes) {
			c.stats.LostItems++
			tx.writes[action].aggregate.known = false
		}
	}
	for _, action := range v.failed {
		stale(action)
	}
	if v.kind == unknown {
		for _, s := range tx.segments {
			logs = append(logs, s.log)
		}
		for _, w := range tx.writes {
			w.aggregate.known = false
		}
	}
	return c.readTails(ctx, logs)
}

// backoff waits for a random part of a bound that doubles with each try ("full jitter").
func backoff(ctx context.Context, try int) error {
	const base, longest = 20 * time.Millisecond, time.Second
	bound := min(longest, base<<min(try, 10))
	t := time.NewTimer(rand.N(bound))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// resolve finds where effects go.
func (c *commit) resolve(effects []meter.Effect) []target {
	of := c.memory.aggregates[c.shard]
	if of == nil {
		of = map[aggregateKey]*aggregate{}
		c.memory.aggregates[c.shard] = of
	}
	deltas := 0
	for i := range effects {
		deltas += len(effects[i].Deltas)
	}
	targets, space := make([]target, len(effects)), make([]*aggregate, 0, deltas)
	var last *log // mostly the same from event to event
	for i := range effects {
		e, first := &effects[i], len(space)
		for k := range e.Deltas {
			space = append(space, c.aggregateOf(of, keyOf(&e.Deltas[k])))
		}
		if k := c.layout.logOf(e.ID); last == nil || last.key != k {
			last = c.memory.log(k)
		}
		targets[i] = target{last, space[first:]}
	}
	return targets
}

func (c *commit) aggregateOf(of map[aggregateKey]*aggregate, k aggregateKey) *aggregate {
	a := of[k]
	if a == nil {
		a = &aggregate{key: k, pk: c.layout.aggregatePK(c.memory.space, k), sk: aggregateSK(k.group, c.shard)}
		of[k] = a
	}
	return a
}

// readAggregates reads those of the pending effects that are not known.
func (c *commit) readAggregates(ctx context.Context, pending []int) error {
	var unknown []*aggregate
	wanted := map[*aggregate]bool{}
	for _, i := range pending {
		for _, a := range c.targets[i].aggregates {
			if !a.known && !wanted[a] {
				wanted[a] = true
				unknown = append(unknown, a)
			}
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	c.stats.Gets += int64(len(unknown))
	if err := readAggregates(ctx, c.db, c.table, unknown); err != nil {
		return fmt.Errorf("read aggregates: %w", err)
	}
	return nil
}

var consistent = aws.Bool(true)
