package dynamodb

// Limits of items and keys (developer guide, "Quotas").
const (
	maxItem     = 400 << 10
	maxHashKey  = 2048
	maxRangeKey = 1024
)

// keyAttribute is an attribute of a table's key.
type keyAttribute struct {
	name string
	kind kind
	max  int // bytes
}

// key says where an item is: the hash key's bytes, and the range key's in a form that sorts as the keys do.
type key struct {
	hash, sort string
}

// sortable gives a key value's bytes in the order of the values.
func sortable(v value) string {
	if v.kind != kindNumber {
		return v.data
	}
	var ordered [orderedSize]byte
	return string(appendOrdered(ordered[:0], v.data))
}

// keyOfItem finds the key of a whole item.
func (t *table) keyOfItem(item document) (key, error) {
	return t.keyOf(item, func(a keyAttribute, v value, found bool) error {
		switch {
		case !found:
			return invalid("One or more parameter values were invalid: Missing the key %s in the item", a.name)
		case v.kind != a.kind:
			return invalid("One or more parameter values were invalid: Type mismatch for key %s expected: %s actual: %s", a.name, a.kind, v.kind)
		}
		return nil
	})
}

var errKeySchema = invalid("The provided key element does not match the schema")

// keyOfKey reads a key that has to hold nothing but the key.
func (t *table) keyOfKey(d document) (key, error) {
	if d.count() != len(t.schema) {
		return key{}, errKeySchema
	}
	return t.keyOf(d, func(a keyAttribute, v value, found bool) error {
		if !found || v.kind != a.kind {
			return errKeySchema
		}
		return nil
	})
}

func (t *table) keyOf(d document, check func(keyAttribute, value, bool) error) (k key, err error) {
	for i, a := range t.schema {
		v, found := d.get(a.name)
		if err := check(a, v, found); err != nil {
			return key{}, err
		}
		if err := a.checkSize(v); err != nil {
			return key{}, err
		}
		if i == 0 {
			k.hash = v.data
		} else {
			k.sort = sortable(v)
		}
	}
	return k, nil
}

// checkSize checks a key value's length. That AWS's text lacks a space in one place is no mistake of ours.
func (a keyAttribute) checkSize(v value) error {
	switch {
	case len(v.data) == 0:
		what := map[kind]string{kindString: "string", kindBinary: "binary"}[a.kind]
		return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", what, a.name)
	case a.kind == kindNumber || len(v.data) <= a.max:
		return nil
	case a.max == maxHashKey:
		return invalid("One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of%d bytes", maxHashKey)
	}
	return invalid("One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of %d bytes", maxRangeKey)
}

// keyDocument makes the key of an item as a document, as for LastEvaluatedKey.
func (t *table) keyDocument(item document) document {
	var dst []byte
	for _, a := range t.schema {
		v, _ := item.get(a.name)
		dst = appendValue(appendName(dst, a.name), v)
	}
	return document(dst)
}

var errItemSize = invalid("Item size has exceeded the maximum allowed size")
