package esm

import (
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/millrace/millrace/internal/awslocal/wire"
)

// documentTime is how times stand in a failure document: UTC, milliseconds.
const documentTime = "2006-01-02T15:04:05.000Z"

// document is the failure document for records that were given up: compact JSON, its keys in the order in which AWS
// sends them. It is under 2 KiB without a payload, whatever the batch. payload is the whole event, for a bucket, and nil
// for queues and topics, whose messages do not have it.
func document(cfg *Config, shard, id string, s step, records []Record, now time.Time, payload []byte) string {
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
	b = append(b, '}')
	if payload != nil {
		b = append(b, `,"payload":`...)
		b, _ = jsontext.AppendQuote(b, payload) // its one error is for invalid UTF-8, and events have none
	}
	return string(append(b, '}'))
}

// objectKey is the key of a failure document in a bucket (developer guide, "retain discarded records"):
// aws/lambda/UUID/SHARD/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-RANDOM, in UTC. It is "" for a destination that is no bucket.
func objectKey(destination, mapping, shard string, now time.Time) string {
	if !isBucket(destination) {
		return ""
	}
	return "aws/lambda/" + mapping + "/" + shard + now.UTC().Format("/2006/01/02/2006-01-02T15.04.05-") + wire.NewID()
}

func isBucket(arn string) bool { return strings.Contains(arn, ":s3:::") }

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
