package direct

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

// Answer writes the answer to a call of so many records, at most MaxAnswer bytes. The results are those of all its user
// records, in order; a record that is an empty aggregate has none. There is room for the results of 6 MB of events that
// count, packed as they may be, when they have 90 bytes or more on the average (the shortest that is one has 83). Where
// there is not, as for an aggregate of a million empty user records, the answer tells of the records before, and Results
// gives the rest as unsettled.
func Answer(records int, results []Result) []byte {
	p := planAnswer(records, results)
	out := make([]byte, 0, p.size+p.reasons*64)
	out = append(out, answerHead...)
	out = strconv.AppendInt(out, int64(p.told), 10)
	out = append(out, answerMiddle...)
	for i := range results[:p.results] {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendResult(out, &results[i], p.reason)
	}
	return append(out, answerTail...)
}

// The fixed parts of an answer.
const (
	answerHead   = `{"told":`
	answerMiddle = `,"outcomes":[`
	answerTail   = `]}`
	countDigits  = 5 // of MaxRecords
)

// plan says what of the results the answer has room for.
type plan struct {
	told    int // records
	results int // of those
	size    int // of all, reasons aside
	reasons int // how many there are
	reason  int // bytes that each may have
}

func planAnswer(records int, results []Result) plan {
	p := plan{size: len(answerHead) + countDigits + len(answerMiddle) + len(answerTail)}
	next := p // with the results of the record at hand
	var scratch [256]byte
	for i := range results {
		r := &results[i]
		if i > 0 && r.Record != results[i-1].Record {
			p = next
			p.told = r.Record
		}
		next.results++
		next.size += len(appendResult(scratch[:0], r, 0)) + len(",")
		if r.Reason != "" {
			next.reasons++
		}
		if next.size > MaxAnswer {
			return p.share()
		}
	}
	next.told = records
	return next.share()
}

func (p plan) share() plan {
	p.reason = MaxReason
	if p.reasons > 0 {
		p.reason = min(MaxReason, (MaxAnswer-p.size)/p.reasons)
	}
	return p
}

// appendResult writes a result with at most so many bytes of its reason.
func appendResult(dst []byte, r *Result, reason int) []byte {
	dst = append(dst, `{"record":`...)
	dst = strconv.AppendInt(dst, int64(r.Record), 10)
	dst = append(dst, `,"sequenceNumber":`...)
	dst = quote(dst, r.SequenceNumber)
	if r.Sub > 0 {
		dst = strconv.AppendInt(append(dst, `,"sub":`...), int64(r.Sub), 10)
	}
	dst = append(dst, `,"outcome":"`...)
	dst = append(append(dst, r.Outcome...), '"')
	if r.Class != "" {
		dst = quote(append(dst, `,"class":`...), r.Class)
	}
	if r.Reason != "" {
		dst = quote(append(dst, `,"reason":`...), cut(r.Reason, reason))
	}
	return append(dst, '}')
}

// cut cuts a text at the border of a character, so that in JSON it has at most so many bytes between its quotes.
func cut(s string, most int) string {
	const more = "…"
	size, end := 0, 0 // end: where it is cut, should it be
	for i, c := range s {
		if size+len(more) <= most {
			end = i
		}
		size += quotedSize(c)
		if size > most {
			if end == 0 && most < len(more) {
				return ""
			}
			return s[:end] + more
		}
	}
	return s
}

// quotedSize is how many bytes a character takes in JSON, at most.
func quotedSize(c rune) int {
	switch {
	case c == '"' || c == '\\':
		return 2
	case c < ' ':
		return len(`\u0000`)
	}
	return utf8.RuneLen(c)
}

// answer is the JSON of it.
type answer struct {
	Told     *int `json:"told"`
	Outcomes []struct {
		Record         int     `json:"record"`
		SequenceNumber string  `json:"sequenceNumber"`
		Sub            int     `json:"sub"`
		Outcome        Outcome `json:"outcome"`
		Class          string  `json:"class"`
		Reason         string  `json:"reason"`
	} `json:"outcomes"`
	ErrorMessage string `json:"errorMessage"` // of a function that failed
}

// ErrNoOutcomes is of an answer that tells no outcomes: the function failed, or it is of a version that knows no direct
// calls and has counted the records as the stream's.
var ErrNoOutcomes = errors.New("the answer tells no outcomes")

// untold is the reason of the user records for which an answer had no room.
const untold = "the answer had no room for its outcome: hand over fewer records at once"

// Results reads the function's answer to the call: a result for each user record, in order. A record that the answer
// does not tell of is one unsettled result. An answer that does not fit the call is an error.
func (c *Call) Results(payload []byte) ([]Result, error) {
	var a answer
	if err := json.Unmarshal(payload, &a); err != nil {
		return nil, fmt.Errorf("read the function's answer: %w", err)
	}
	if a.ErrorMessage != "" {
		return nil, fmt.Errorf("%w: the function failed: %s", ErrNoOutcomes, a.ErrorMessage)
	}
	if a.Told == nil {
		return nil, fmt.Errorf("%w: %.200s", ErrNoOutcomes, payload)
	}
	if *a.Told < 0 || *a.Told > c.Len() {
		return nil, fmt.Errorf("read the function's answer: it tells of %d records, and was asked about %d", *a.Told, c.Len())
	}
	results := make([]Result, 0, len(a.Outcomes)+c.Len()-*a.Told)
	for i, o := range a.Outcomes {
		r := Result(o)
		if err := c.check(r, results, *a.Told); err != nil {
			return nil, fmt.Errorf("read the function's answer: outcome %d: %w", i, err)
		}
		results = append(results, r)
	}
	for n := *a.Told; n < c.Len(); n++ {
		results = append(results, Result{Record: n, SequenceNumber: c.sequences[n], Outcome: Unsettled, Reason: untold})
	}
	return results, nil
}

// check holds a result against the call, and against the one before it.
func (c *Call) check(r Result, before []Result, told int) error {
	if r.Record < 0 || r.Record >= told || r.Sub < 0 || r.SequenceNumber != c.sequences[r.Record] {
		return fmt.Errorf("record %d with sequence number %q was not asked about", r.Record, r.SequenceNumber)
	}
	if n := len(before); n > 0 && (r.Record < before[n-1].Record || r.Record == before[n-1].Record && r.Sub <= before[n-1].Sub) {
		return fmt.Errorf("record %d, user record %d stands behind record %d, user record %d", r.Record, r.Sub, before[n-1].Record, before[n-1].Sub)
	}
	switch r.Outcome {
	case Counted, Copy, Nothing, Failed, Unsettled:
		return nil
	}
	return fmt.Errorf("%q is no outcome", r.Outcome)
}
