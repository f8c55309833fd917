package dynamodb

// tree is a tree of document paths, none of which is within another (checkOverlaps). A node without children is a path's
// end.
type tree struct {
	names   map[string]*tree
	order   []string // of names, as the expression has them
	indexes map[int]*tree
	clause  *clause // of an update, at its path's end
}

// grow adds a path and gives its end.
func (t *tree) grow(path []step, env environment) *tree {
	for _, s := range path {
		t = t.child(s, env)
	}
	return t
}

func (t *tree) child(s step, env environment) *tree {
	if s.isIndex {
		if t.indexes == nil {
			t.indexes = map[int]*tree{}
		}
		if t.indexes[s.index] == nil {
			t.indexes[s.index] = &tree{}
		}
		return t.indexes[s.index]
	}
	name := env.name(s)
	if t.names == nil {
		t.names = map[string]*tree{}
	}
	if t.names[name] == nil {
		t.names[name] = &tree{}
		t.order = append(t.order, name)
	}
	return t.names[name]
}

func (t *tree) isEnd() bool { return t.names == nil && t.indexes == nil }
