package handover

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace/millrace/internal/direct"
)

// Records gives a page of a stream as it is handed over. Their data is the page's.
func Records(page []types.Record) []direct.Record {
	records := make([]direct.Record, len(page))
	for i := range page {
		r := &page[i]
		records[i] = direct.Record{
			SequenceNumber: aws.ToString(r.SequenceNumber), PartitionKey: aws.ToString(r.PartitionKey),
			Arrival: aws.ToTime(r.ApproximateArrivalTimestamp), Data: r.Data,
		}
	}
	return records
}
