package dynamodb

// projection is a tree of the paths to keep; a node without children keeps all below it. nil keeps everything.
type projection struct {
	names   map[string]*projection
	indexes map[int]*projection
}

// project makes the tree of a projection expression's paths. No path is within another (checkProjection).
func (x *expression) project(env environment) *projection {
	root := &projection{}
	for _, path := range x.paths {
		at := root
		for _, s := range path {
			at = at.descend(s, env)
		}
	}
	return root
}

func (p *projection) descend(s step, env environment) *projection {
	var next *projection
	if s.isIndex {
		if next = p.indexes[s.index]; next == nil {
			next = &projection{}
			if p.indexes == nil {
				p.indexes = map[int]*projection{}
			}
			p.indexes[s.index] = next
		}
		return next
	}
	name := env.name(s)
	if next = p.names[name]; next == nil {
		next = &projection{}
		if p.names == nil {
			p.names = map[string]*projection{}
		}
		p.names[name] = next
	}
	return next
}

// apply gives the part of an item that the projection keeps.
func (p *projection) apply(d document) document {
	if p == nil {
		return d
	}
	return document(p.keepNames(nil, d))
}

// keepNames appends the kept attributes of a map, in the map's order.
func (p *projection) keepNames(dst []byte, d document) []byte {
	for len(d) > 0 {
		name, v, rest := d.cut()
		if below := p.names[name]; below != nil {
			before := len(dst)
			dst = appendName(dst, name)
			head := len(dst)
			if dst = below.keep(dst, v); len(dst) == head {
				dst = dst[:before]
			}
		}
		d = rest
	}
	return dst
}

// keep appends the kept part of a value, or nothing when no path leads into it.
func (p *projection) keep(dst []byte, v value) []byte {
	if p.names == nil && p.indexes == nil {
		return appendValue(dst, v)
	}
	began := len(dst)
	dst = beginValue(dst, v.kind)
	switch v.kind {
	case kindMap:
		dst = p.keepNames(dst, document(v.data))
	case kindList:
		i := 0
		for e := range v.elements {
			if below := p.indexes[i]; below != nil {
				dst = below.keep(dst, e)
			}
			i++
		}
	}
	if len(dst) == began+valueHead {
		return dst[:began]
	}
	endValue(dst, began)
	return dst
}
