package config

// Where Firehose puts objects in the archive's bucket. Each is followed by the day that Firehose took the records in,
// in UTC: dt=2026-11-23/.
const (
	ArchivePrefix = "events/" // rows of the table Events
	ErrorPrefix   = "errors/" // by kind of error, as in errors/processing-failed/: what the transform function could not decode, with its bytes
)

// ArchiveTable is the Glue table of the archive.
const ArchiveTable = "events"

// Column is one of the archive's table.
type Column struct {
	Name    string // also the name of the member in the JSON that the transform function writes
	Type    string // of Glue and Athena
	Comment string
}

// ArchiveColumns are the archive's columns in their order: the transform function writes them, the Glue table has them, and
// what reads the archive relies on them. One row is one event as it was put. The attributes are for queries; event has all
// of it, to the byte.
func ArchiveColumns() []Column {
	return []Column{
		{"id", "string", "of the CloudEvent; with source its identity"},
		{"source", "string", "of the CloudEvent"},
		{"type", "string", "of the CloudEvent"},
		{"subject", "string", "of the CloudEvent, if it has one"},
		{"time", "timestamp", "of the CloudEvent, in UTC, to the millisecond"},
		{"event", "string", "the whole CloudEvent, the JSON as it was put"},
		{"shard_id", "string", "shard of the record"},
		{"sequence_number", "string", "of the record"},
		{"sub_sequence_number", "bigint", "place in the KPL aggregate, 0 where there is none"},
		{"partition_key", "string", "of the record, or of the user record in a KPL aggregate"},
		{"arrival", "timestamp", "when the stream took the record, in UTC, to the millisecond"},
	}
}
