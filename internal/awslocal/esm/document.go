package esm

import (
	"strconv"
	"time"
)

// documentTime is how times stand in a failure document: UTC, milliseconds.
const documentTime = "2006-01-02T15:04:05.000Z"

// document is the failure document for records that were given up: compact JSON, its keys in the order in which AWS
// sends them. It has no payload.
func document(cfg *Config, shard, id string, s step, records []Record, now time.Time) string {
	first, last := &records[0], &records[len(records)-1]
	b := append(make([]byte, 0, 1024), `{"requestContext":{"requestId":`...)
	b = appendQuoted(b, id)
	b = append(b, `,"functionArn":`...)
	b = appendQuoted(b, cfg.FunctionARN)
	b = append(b, `,"condition":`...)
	b = appendQuoted(b, string(s.fate))
	b = append(b, `,"approximateInvokeCount":`...)
	b = strconv.AppendInt(b, int64(s.count), 10)
	b = append(b, '}')
	b = appendResponse(b, s.response)
	b = append(b, `,"version":"1.0","timestamp":"`...)
	b = now.UTC().AppendFormat(b, documentTime)
	b = append(b, `","KinesisBatchInfo":{"shardId":`...)
	b = appendQuoted(b, shard)
	b = append(b, `,"startSequenceNumber":`...)
	b = appendQuoted(b, first.SequenceNumber)
	b = append(b, `,"endSequenceNumber":`...)
	b = appendQuoted(b, last.SequenceNumber)
	b = append(b, `,"approximateArrivalOfFirstRecord":"`...)
	b = first.Arrival.UTC().AppendFormat(b, documentTime)
	b = append(b, `","approximateArrivalOfLastRecord":"`...)
	b = last.Arrival.UTC().AppendFormat(b, documentTime)
	b = append(b, `","batchSize":`...)
	b = strconv.AppendInt(b, int64(len(records)), 10)
	b = append(b, `,"streamArn":`...)
	b = appendQuoted(b, cfg.EventSourceARN)
	return string(append(b, `}}`...))
}

// appendResponse writes nothing when the function gave no response: the key is absent then, not null.
func appendResponse(b []byte, r *response) []byte {
	if r == nil {
		return b
	}
	b = append(b, `,"responseContext":{"statusCode":200,"executedVersion":`...)
	b = appendQuoted(b, r.version)
	b = append(b, `,"functionError":`...)
	if r.functionError == "" {
		b = append(b, `null`...)
	} else {
		b = appendQuoted(b, r.functionError)
	}
	return append(b, '}')
}
