package kinesis

// step puts ranges in the place of open shards that lie side by side: a split has one shard and two ranges, a merge two
// shards and one.
type step struct {
	at     int // of the first of the shards, in the order of their hash keys
	shards int
	into   []keyRange
}

func splitStep(at int, r keyRange, middle hash) step {
	return step{at, 1, []keyRange{{r.lo, middle.previous()}, {middle, r.hi}}}
}

func mergeStep(at int, a, b keyRange) step { return step{at, 2, []keyRange{{a.lo, b.hi}}} }

// nearEnough is by how many hash keys, 2^64, a border of shards may lie beside where even ranges have it, and stay: even
// cuts into 3 and into 6 do not quite meet, and no shard is to be split a hash key from its edge.
var nearEnough = hash{1, 0}

// uniform plans how open ranges, which cover the hash space in order, become so many of equal size, with splits first and
// merges after them, as UpdateShardCount does. AWS does not say which; what it says is that shards of equal size come out
// and that short-lived ones can be between.
func uniform(open []keyRange, target int) []step {
	pieces, starts, steps := cut(open, evenRanges(target)[1:])
	joined := 0
	acc := pieces[0]
	for _, p := range pieces[1:] {
		if starts[p.lo] {
			joined++
			acc = p
			continue
		}
		steps = append(steps, mergeStep(joined, acc, p))
		acc.hi = p.hi
	}
	return steps
}

// cut splits open ranges where others begin. It gives the pieces, and at which of them the others begin.
func cut(open, others []keyRange) (pieces []keyRange, starts map[hash]bool, steps []step) {
	starts = map[hash]bool{}
	for _, r := range open {
		for len(others) > 0 && r.contains(others[0].lo) {
			at := others[0].lo
			others = others[1:]
			switch {
			case at.minus(r.lo).less(nearEnough):
				starts[r.lo] = true
			case r.hi.minus(at).less(nearEnough):
				starts[r.hi.next()] = true
			default:
				steps = append(steps, splitStep(len(pieces), r, at))
				pieces = append(pieces, keyRange{r.lo, at.previous()})
				r.lo = at
				starts[at] = true
			}
		}
		pieces = append(pieces, r)
	}
	return pieces, starts, steps
}

// middle is where a range is halved: the start of its upper half.
func (r keyRange) middle() hash { return r.lo.plus(r.width().half()).next() }

// width is by how much a range's last key is above its first.
func (r keyRange) width() hash { return r.hi.minus(r.lo) }
