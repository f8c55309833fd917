package esm

import (
	"bytes"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// verdict is what an attempt came to.
type verdict uint8

const (
	untried   verdict = iota // no attempt has been made since the last rest
	succeeded                // all is settled
	advanced                 // a partial response: the records before the first failed one are settled
	failed                   // complete failure; it counts as an attempt
	unreached                // the function was not reached; it does not
)

// outcome is an attempt's verdict with what has to be known of it.
type outcome struct {
	verdict verdict
	settled int // advanced: how many records from the front are settled
	// response is what the function gave back, nil when it was not run.
	response *response
	// problem: the invocation, not only a part of its records, failed.
	problem bool
}

// response is what a failure document tells of the last attempt.
type response struct {
	version       string
	functionError string // "" is null
}

// classify tells what an answer means for the batch (section 6 of the design's table, recorded on AWS).
func classify(a Answer, reports bool, records []Record) outcome {
	res := &response{version: a.ExecutedVersion, functionError: a.FunctionError}
	if a.FunctionError != "" {
		return outcome{verdict: failed, response: res, problem: true}
	}
	if !reports {
		return outcome{verdict: succeeded, response: res}
	}
	first, ok := firstFailure(a.Payload, records)
	switch {
	case !ok:
		return outcome{verdict: failed, response: res, problem: true}
	case first == len(records):
		return outcome{verdict: succeeded, response: res}
	case first == 0: // no progress: an attempt like a failed one, though the function did as it should
		return outcome{verdict: failed, response: res}
	}
	return outcome{verdict: advanced, settled: first, response: res}
}

// firstFailure reads a batch response: the index of the lowest record that it names, len(records) when it names none.
// It is not ok when the response cannot be understood, or names anything that is not a record of the batch.
func firstFailure(payload []byte, records []Record) (first int, ok bool) {
	first = len(records)
	value := jsontext.Value(bytes.TrimSpace(payload))
	if len(value) == 0 {
		return first, true // a custom runtime that returns nothing
	}
	if !value.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
		return 0, false
	}
	if value.Kind() != '{' {
		return first, true // null, [], "", "ok", 42: no list of failures
	}
	var body struct {
		Failures []struct {
			ID *string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if json.Unmarshal(value, &body, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil {
		return 0, false
	}
	if len(body.Failures) == 0 {
		return first, true
	}
	index := make(map[string]int, len(records))
	for i := len(records) - 1; i >= 0; i-- { // of records with one number, from an aggregate, the first counts
		index[records[i].SequenceNumber] = i
	}
	for _, f := range body.Failures {
		if f.ID == nil {
			return 0, false
		}
		i, known := index[*f.ID]
		if !known {
			return 0, false
		}
		first = min(first, i)
	}
	return first, true
}
