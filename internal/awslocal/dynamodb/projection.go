package dynamodb

// project makes the tree of a projection expression's paths, or of those that an update changes.
func (x *expression) project(env environment) *tree {
	root := &tree{}
	for _, path := range x.paths {
		root.grow(path, env)
	}
	return root
}

// apply gives the part of an item that lies on the paths or below their ends; the nil tree keeps everything.
func (t *tree) apply(d document) document {
	if t == nil {
		return d
	}
	return document(t.keepNames(nil, d))
}

// keepNames appends the kept attributes of a map, in the map's order.
func (t *tree) keepNames(dst []byte, d document) []byte {
	for len(d) > 0 {
		name, v, rest := d.cut()
		if below := t.names[name]; below != nil {
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
func (t *tree) keep(dst []byte, v value) []byte {
	if t.isEnd() {
		return appendValue(dst, v)
	}
	began := len(dst)
	dst = beginValue(dst, v.kind)
	switch v.kind {
	case kindMap:
		dst = t.keepNames(dst, document(v.data))
	case kindList:
		i := 0
		for e := range v.elements {
			if below := t.indexes[i]; below != nil {
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
