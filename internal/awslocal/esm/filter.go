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
type filters []filter

type filter struct {
	*pattern.Pattern
	data bool // it looks at the data
}

// newFilters makes filters of patterns that Validate has passed.
func newFilters(patterns []string) filters {
	var out filters
	for _, text := range patterns {
		p, err := pattern.Parse(text)
		if err != nil {
			continue
		}
		out = append(out, filter{p, slices.Contains(p.Fields(), fieldData)})
	}
	return out
}

// beside gives the fields other than data that filters look at.
func (f filters) beside() []string {
	var out []string
	for _, one := range f {
		for _, name := range one.Fields() {
			if name != fieldData {
				out = append(out, name)
			}
		}
	}
	return out
}

// split gives the records that pass, in their order, and the others.
func (f filters) split(records []Record) (kept, out []Record) {
	if len(f) == 0 {
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
func (f filters) pass(r *Record) bool {
	doc := pattern.Object()
	doc.Set(fieldKey, pattern.String(r.PartitionKey))
	doc.Set(fieldNumber, pattern.String(r.SequenceNumber))
	doc.Set(fieldSchema, pattern.String(schemaVersion))
	doc.Set(fieldTime, pattern.Number(string(appendSeconds(nil, r.Arrival))))
	readable := false
	if slices.ContainsFunc(f, func(one filter) bool { return one.data }) {
		data, err := pattern.ParseValue(r.Data)
		if readable = err == nil; readable {
			doc.Set(fieldData, data)
		}
	}
	return slices.ContainsFunc(f, func(one filter) bool { return (readable || !one.data) && one.Match(doc) })
}
