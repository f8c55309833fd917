package esm

import (
	"slices"

	"github.com/millrace/millrace/internal/awslocal/esm/pattern"
)

// The fields of the document that filters see: a record's data, as JSON, and beside it what the event has around it.
// Today's developer guide allows data alone; until 2022 it had the others too.
const (
	fieldData   = "data"
	fieldKey    = "partitionKey"
	fieldNumber = "sequenceNumber"
	fieldSchema = "kinesisSchemaVersion"
	fieldTime   = "approximateArrivalTimestamp"
)

// filters tell which records the function gets: those that match one of them, and all if there are none.
type filters struct {
	all    []filter
	data   []*pattern.Pattern // those that look at the data
	beside []string           // the fields other than data that any of them looks at
	absent []string           // and those that no record has, as of the event's own shape
}

type filter struct {
	*pattern.Pattern
	data bool // it looks at the data
}

// newFilters makes filters of patterns that Validate has passed.
func newFilters(patterns []string) filters {
	var f filters
	for _, text := range patterns {
		p, err := pattern.Parse(text)
		if err != nil {
			continue
		}
		one := filter{Pattern: p}
		for _, name := range p.Fields() {
			switch name {
			case fieldData:
				one.data = true
				f.data = append(f.data, p)
			case fieldKey, fieldNumber, fieldSchema, fieldTime:
				f.beside = append(f.beside, name)
			default:
				f.absent = append(f.absent, name)
			}
		}
		f.all = append(f.all, one)
	}
	return f
}

// split gives the records that pass, in their order, and the others.
func (f *filters) split(records []Record) (kept, out []Record) {
	if len(f.all) == 0 {
		return records, nil
	}
	for i := range records {
		if f.pass(&records[i]) {
			kept = append(kept, records[i])
		} else {
			out = append(out, records[i])
		}
	}
	return kept, out
}

// pass tells whether a record matches one of the filters. One whose data is no JSON matches none that looks at data.
func (f *filters) pass(r *Record) bool {
	doc := pattern.Object()
	if len(f.beside) > 0 {
		doc.Set(fieldKey, pattern.String(r.PartitionKey))
		doc.Set(fieldNumber, pattern.String(r.SequenceNumber))
		doc.Set(fieldSchema, pattern.String(schemaVersion))
		doc.Set(fieldTime, pattern.Number(string(appendSeconds(nil, r.Arrival))))
	}
	readable := false
	if len(f.data) > 0 {
		data, err := pattern.ParseFor(r.Data, f.data...)
		if readable = err == nil; readable {
			doc.Set(fieldData, data)
		}
	}
	return slices.ContainsFunc(f.all, func(one filter) bool { return (readable || !one.data) && one.Match(doc) })
}
