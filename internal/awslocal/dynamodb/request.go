package dynamodb

import (
	"slices"
	"strings"
)

// request holds the members of all operations on items, each of which uses some.
type request struct {
	table                                      optional
	item, key, startKey, names, values         optionalDocument
	condition, keyCondition, filter, projected optional
	update                                     optional
	returnValues, onFailure                    optional
	capacity, metrics, selected                optional
	limit, segment, segments                   *int
	consistent, backward                       bool
	missing                                    string // the first member that the local endpoint does not have
	invalid                                    string // the first refusal of a value
}

// read reads an object with the members of an operation; those that no operation knows are skipped, as AWS does.
func (q *request) read(r *reader) error {
	err := r.members(func(name []byte) error { return q.member(r, name) })
	q.invalid = r.invalid
	return err
}

func (q *request) member(r *reader, name []byte) error {
	switch string(name) {
	case "TableName":
		return r.string(&q.table)
	case "Item":
		return r.attributes(&q.item)
	case "Key":
		return r.attributes(&q.key)
	case "ExclusiveStartKey":
		return r.attributes(&q.startKey)
	case "ExpressionAttributeNames":
		return r.names(&q.names)
	case "ExpressionAttributeValues":
		return r.values(&q.values)
	case "ConsistentRead":
		return r.bool(&q.consistent)
	case "Limit":
		return r.integer(&q.limit)
	case "Segment":
		return r.integer(&q.segment)
	case "TotalSegments":
		return r.integer(&q.segments)
	case "ScanIndexForward":
		forward := true
		err := r.bool(&forward)
		q.backward = !forward
		return err
	}
	if to := q.textMember(name); to != nil {
		return r.string(to)
	}
	return q.other(r, string(name))
}

func (q *request) textMember(name []byte) *optional {
	switch string(name) {
	case "ConditionExpression":
		return &q.condition
	case "KeyConditionExpression":
		return &q.keyCondition
	case "UpdateExpression":
		return &q.update
	case "FilterExpression":
		return &q.filter
	case "ProjectionExpression":
		return &q.projected
	case "ReturnValues":
		return &q.returnValues
	case "ReturnValuesOnConditionCheckFailure":
		return &q.onFailure
	case "ReturnConsumedCapacity":
		return &q.capacity
	case "ReturnItemCollectionMetrics":
		return &q.metrics
	case "Select":
		return &q.selected
	}
	return nil
}

// notHere are the members that operations on items have on AWS but not here.
var notHere = []string{
	"AttributeUpdates", "AttributesToGet", "ConditionalOperator", "Expected", "IndexName", "KeyConditions", "QueryFilter", "ScanFilter",
}

func (q *request) other(r *reader, name string) error {
	if slices.Contains(notHere, name) && r.dec.PeekKind() != 'n' && q.missing == "" {
		q.missing = name
	}
	return r.dec.SkipValue()
}

// enums notes the texts of the request that are none of those allowed.
func (q *request) enums(v *violations) {
	v.oneOf(q.capacity, "returnConsumedCapacity", capacityTotals...)
	v.oneOf(q.metrics, "returnItemCollectionMetrics", "SIZE", "NONE")
	v.oneOf(q.returnValues, "returnValues", "ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW")
	v.oneOf(q.onFailure, "returnValuesOnConditionCheckFailure", "ALL_OLD", "NONE")
	v.oneOf(q.selected, "select", "SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES")
}

// parameter is an expression of a request, and what it is called there.
type parameter struct {
	name       string
	given      optional
	cache      *cache
	hasValues  bool        // it may use :values, as all but projections may
	expression *expression // filled in by the method expressions; nil when the request has none
}

func (s *Service) conditionOf(name string, o optional) parameter {
	return parameter{name: name, given: o, cache: &s.conditions, hasValues: true}
}

func (s *Service) projectionOf(q *request) parameter {
	return parameter{name: "ProjectionExpression", given: q.projected, cache: &s.projections}
}

func (s *Service) updateOf(q *request) parameter {
	return parameter{name: "UpdateExpression", given: q.update, cache: &s.updates, hasValues: true}
}

// root is the condition's tree, nil for none.
func (p *parameter) root() *node {
	if p.expression == nil {
		return nil
	}
	return p.expression.root
}

func (q *request) environment() environment {
	return environment{names: q.names.document, values: q.values.document}
}

// checkValues checks what AWS checks of a request's values before it looks at the expressions that the operation has.
func (q *request) checkValues(parameters ...*parameter) error {
	var absent []string
	given, used := false, false // any expression; any that may use the values
	for _, p := range parameters {
		given = given || p.given.set
		used = used || p.given.set && p.hasValues
		if p.hasValues && !p.given.set {
			absent = append(absent, p.name)
		}
	}
	switch {
	case q.missing != "":
		return notImplemented(q.missing)
	case q.names.set && !given:
		return invalid("ExpressionAttributeNames can only be specified when using expressions")
	case q.values.set && !used && len(absent) > 0:
		verb := map[bool]string{true: "is", false: "are"}[len(absent) == 1]
		return invalid("ExpressionAttributeValues can only be specified when using expressions: %s %s null", strings.Join(absent, " and "), verb)
	case q.invalid != "":
		return invalid("%s", q.invalid)
	}
	return nil
}

// expressions parses a request's expressions and checks them against its names and values.
func (q *request) expressions(parameters ...*parameter) error {
	if err := q.checkReferences(); err != nil {
		return err
	}
	env := q.environment()
	var all []*expression
	for _, p := range parameters {
		if !p.given.set {
			continue
		}
		p.expression = p.cache.get(p.given.text)
		if err := p.expression.check(env); err != nil {
			return invalid("Invalid %s: %s", p.name, err)
		}
		all = append(all, p.expression)
	}
	if err := unused("ExpressionAttributeNames", env.names, all); err != nil {
		return err
	}
	return unused("ExpressionAttributeValues", env.values, all)
}

// check tells why an expression is none, given the request's names and values.
func (x *expression) check(env environment) error {
	switch {
	case x.err != nil:
		return x.err
	case x.root != nil:
		return x.root.check(env)
	case x.clauses != nil:
		return x.checkUpdate(env)
	}
	return x.checkProjection(env)
}

// checkReferences checks the form of the names' and values' own names.
func (q *request) checkReferences() error {
	for _, m := range []struct {
		name  string
		given *optionalDocument
		sign  byte
	}{{"ExpressionAttributeNames", &q.names, '#'}, {"ExpressionAttributeValues", &q.values, ':'}} {
		if !m.given.set {
			continue
		}
		if len(m.given.document) == 0 {
			return invalid("%s must not be empty", m.name)
		}
		for d := m.given.document; len(d) > 0; {
			var ref string
			ref, _, d = d.cut()
			if len(ref) < 2 || ref[0] != m.sign || wordEnd(ref, 1) != len(ref) {
				return invalid("%s contains invalid key: Syntax error; key: %q", m.name, ref)
			}
		}
	}
	return nil
}

func unused(member string, given document, all []*expression) error {
	var refs []string
	for len(given) > 0 {
		var ref string
		if ref, _, given = given.cut(); !uses(all, ref) {
			refs = append(refs, ref)
		}
	}
	if refs == nil {
		return nil
	}
	return invalid("Value provided in %s unused in expressions: keys: {%s}", member, strings.Join(refs, ", "))
}
