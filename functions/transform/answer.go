package main

import "encoding/base64"

// result is what Firehose is told of a record
// (https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-status-model.html).
type result string

const (
	ok      result = "Ok"
	dropped result = "Dropped"
	failed  result = "ProcessingFailed"
)

// The parts of the answer: {"records":[{"recordId":"1","result":"Ok","data":"aGVsbG8="}]}.
const (
	answerHead = `{"records":[`
	recordHead = `{"recordId":`
	resultHead = `,"result":"`
	dataHead   = `","data":"`
	recordTail = `"}`
	answerTail = `]}`
)

// answer writes what was planned, in the records' order.
//
// What is ProcessingFailed comes with its data as it was, as long as there is room behind all rows. AWS's page on the
// status model names data as required, but for such a record Firehose needs none: it delivers its own copy to the error
// prefix. AWS's blueprint for CloudWatch Logs leaves data out, and says so ("The original compressed record will be
// backed up to the S3 bucket configured on the Firehose"). So whether it is there or not, the same bytes are kept.
func (t *transformer) answer(records []firehoseRecord) []byte {
	out := append(t.out[:0], answerHead...)
	for i := range records {
		if i > 0 {
			out = append(out, ',')
		}
		r, o := &records[i], t.outcomes[i]
		data := t.rows[o.from:o.to]
		if o.result == failed {
			data = t.echo(r)
		}
		out = append(append(out, recordHead...), r.id...)
		out = append(append(out, resultHead...), o.result...)
		if len(data) > 0 {
			out = base64.StdEncoding.AppendEncode(append(out, dataHead...), data)
		}
		out = append(out, recordTail...)
	}
	t.out = append(out, answerTail...)
	return t.out
}

// echo gives the data of a record that failed, if there is still room for it.
func (t *transformer) echo(r *firehoseRecord) []byte {
	grown := t.size + size(r, failed, len(r.data)) - size(r, failed, 0)
	if grown > t.max {
		return nil
	}
	t.size = grown
	return r.data
}
