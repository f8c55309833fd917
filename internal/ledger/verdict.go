package ledger

import (
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// kind of answer to a write: it decides what is done next.
type kind uint8

const (
	done    kind = iota // applied
	lost                // not applied: another writer was first; read what it wrote, and plan again
	busy                // not applied, as far as this answer goes: wait, and send it again
	unknown             // perhaps applied: wait, read everything again, and plan again; the ledger knows
	refused             // not applied, and never will be: a value that DynamoDB does not take
	stopped             // it makes no sense to go on: no permission, no table
)

// verdict is what an answer means. failed are the positions of the actions that lost, in request order.
type verdict struct {
	kind   kind
	failed []int
	err    error
}

// judge reads DynamoDB's answer to a PutItem or TransactWriteItems.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html (errors and reasons)
func judge(err error) verdict {
	if err == nil {
		return verdict{kind: done}
	}
	var cancelled *types.TransactionCanceledException
	if errors.As(err, &cancelled) {
		return judgeReasons(err, cancelled.CancellationReasons)
	}
	var condition *types.ConditionalCheckFailedException
	if errors.As(err, &condition) {
		return verdict{kind: lost, err: err}
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return verdict{kind: unknown, err: err} // the connection broke, time ran out, or the answer makes no sense
	}
	return verdict{kind: judgeCode(api.ErrorCode(), statusOf(err)), err: err}
}

func judgeCode(code string, status int) kind {
	switch code {
	case "ValidationException", "ItemCollectionSizeLimitExceededException":
		return refused
	case "ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded", "LimitExceededException",
		"TransactionConflictException", "ReplicatedWriteConflictException":
		return busy
	case "TransactionInProgressException": // our own, under way with the same token
		return unknown
	}
	switch {
	case status == http.StatusTooManyRequests:
		return busy
	case status >= http.StatusInternalServerError:
		return unknown
	}
	return stopped
}

func statusOf(err error) int {
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// judgeReasons weighs the reasons of a cancelled transaction, one for each action in request order. A lost condition
// outweighs a throttle: after the re-read the plan is another one anyway.
func judgeReasons(err error, reasons []types.CancellationReason) verdict {
	v := verdict{kind: busy, err: err}
	for i, r := range reasons {
		if r.Code == nil {
			continue
		}
		switch *r.Code {
		case "ConditionalCheckFailed":
			v.kind = lost
			v.failed = append(v.failed, i)
		case "ValidationError", "ItemCollectionSizeLimitExceeded":
			if v.kind != lost {
				v.kind = refused
			}
		}
	}
	return v
}
