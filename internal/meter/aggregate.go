package meter

// Stat is what is kept of one measure.
type Stat struct {
	Sum, Min, Max Decimal
}

// Aggregate is what is kept for one group in one window. The zero value is that of no events. Merging is associative
// and commutative, so any partition of the events among writers and shards reads the same in the end.
type Aggregate struct {
	Count int64
	// Stats has one entry for each of the meter's measures, in their order; nil while Count is 0.
	Stats []Stat
}

// Observe counts one event, with a value for each measure.
func (a *Aggregate) Observe(values []Decimal) {
	if a.Count == 0 {
		a.Stats = make([]Stat, len(values))
		for i, v := range values {
			a.Stats[i] = Stat{v, v, v}
		}
		a.Count = 1
		return
	}
	a.Count++
	for i, v := range values {
		a.Stats[i].merge(Stat{v, v, v})
	}
}

// Merge adds what b has counted. b is not changed, and no memory is shared with it.
func (a *Aggregate) Merge(b Aggregate) {
	if b.Count == 0 {
		return
	}
	if a.Count == 0 {
		*a = b.Clone()
		return
	}
	a.Count += b.Count
	for i, s := range b.Stats {
		a.Stats[i].merge(s)
	}
}

// Clone gives a copy that shares no memory.
func (a Aggregate) Clone() Aggregate {
	return Aggregate{a.Count, append([]Stat(nil), a.Stats...)}
}

func (s *Stat) merge(t Stat) {
	s.Sum = s.Sum.Add(t.Sum)
	if t.Min.Compare(s.Min) < 0 {
		s.Min = t.Min
	}
	if t.Max.Compare(s.Max) > 0 {
		s.Max = t.Max
	}
}

// Average is the sum divided by the count; 0 for no events. It is derived, never stored.
func (a Aggregate) Average(measure int) float64 {
	if a.Count == 0 {
		return 0
	}
	return a.Stats[measure].Sum.Float() / float64(a.Count)
}
