package ledger

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// answered is an error as the SDK gives it: of an operation, of a response, of the service.
func answered(status int, err error) error {
	return &smithy.OperationError{ServiceID: "DynamoDB", OperationName: opTransact, Err: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err,
	}}
}

func coded(status int, code string) error {
	return answered(status, &smithy.GenericAPIError{Code: code, Message: "of a test"})
}

func cancelledFor(codes ...string) error {
	e := &types.TransactionCanceledException{}
	for _, c := range codes {
		r := types.CancellationReason{Code: aws.String(c)}
		if c == "" {
			r.Code = nil
		}
		e.CancellationReasons = append(e.CancellationReasons, r)
	}
	return answered(http.StatusBadRequest, e)
}

func TestJudge_EveryAnswerHasItsMeaning(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want kind
	}{
		"applied":                          {nil, done},
		"a condition did not hold":         {answered(400, &types.ConditionalCheckFailedException{}), lost},
		"a value is wrong":                 {coded(400, "ValidationException"), refused},
		"an item collection is full":       {answered(400, &types.ItemCollectionSizeLimitExceededException{}), refused},
		"over the table's throughput":      {answered(400, &types.ProvisionedThroughputExceededException{}), busy},
		"throttled":                        {answered(400, &types.ThrottlingException{}), busy},
		"over the account's limit":         {answered(400, &types.RequestLimitExceeded{}), busy},
		"over a limit":                     {answered(400, &types.LimitExceededException{}), busy},
		"another transaction in flight":    {answered(400, &types.TransactionConflictException{}), busy},
		"another region writes":            {answered(400, &types.ReplicatedWriteConflictException{}), busy},
		"429 of a proxy":                   {coded(429, "TooMany"), busy},
		"our own transaction in flight":    {answered(400, &types.TransactionInProgressException{}), unknown},
		"500":                              {answered(500, &types.InternalServerError{}), unknown},
		"503 of a load balancer":           {coded(503, "UnknownError"), unknown},
		"connection reset":                 {errors.New("read: connection reset by peer"), unknown},
		"connection reset, by the SDK":     {&smithy.OperationError{Err: &smithyhttp.RequestSendError{Err: errDropped}}, unknown},
		"an answer that makes no sense":    {&smithy.DeserializationError{Err: errors.New("invalid character")}, unknown},
		"the time has ended":               {context.DeadlineExceeded, unknown},
		"cancelled":                        {&smithy.CanceledError{Err: context.Canceled}, unknown},
		"not allowed":                      {coded(400, "AccessDeniedException"), stopped},
		"no such table":                    {answered(400, &types.ResourceNotFoundException{}), stopped},
		"credentials have expired":         {coded(400, "ExpiredTokenException"), stopped},
		"credentials are unknown":          {coded(400, "UnrecognizedClientException"), stopped},
		"another request under this token": {answered(400, &types.IdempotentParameterMismatchException{}), stopped},
		"the local endpoint lacks it":      {coded(400, "NotImplemented"), stopped},
	} {
		if got := judge(c.err); got.kind != c.want || !errors.Is(got.err, c.err) {
			t.Errorf("%s: kind %d, want %d; error %v", name, got.kind, c.want, got.err)
		}
		if c.err == nil {
			continue
		}
		if got := judge(fmt.Errorf("list window: %w", c.err)); got.kind != c.want {
			t.Errorf("%s, wrapped: kind %d, want %d", name, got.kind, c.want)
		}
	}
}

// The reasons are those of the API reference of TransactWriteItems.
func TestJudge_CancelledTransaction_WeighsTheReasons(t *testing.T) {
	const check, none = "ConditionalCheckFailed", "None"
	for _, c := range []struct {
		reasons []string
		want    kind
		failed  []int
	}{
		{[]string{check}, lost, []int{0}},
		{[]string{none, check, none, check}, lost, []int{1, 3}},
		{[]string{none, "TransactionConflict"}, busy, nil},
		{[]string{none, "ProvisionedThroughputExceeded"}, busy, nil},
		{[]string{"ThrottlingError", none}, busy, nil},
		{[]string{none, "ValidationError"}, refused, nil},
		{[]string{"ItemCollectionSizeLimitExceeded"}, refused, nil},
		{[]string{"ThrottlingError", "ValidationError", "TransactionConflict"}, refused, nil},
		{[]string{"ValidationError", check}, lost, []int{1}},
		{[]string{check, "ValidationError"}, lost, []int{0}},
		{[]string{check, "ThrottlingError", "TransactionConflict"}, lost, []int{0}},
		{[]string{"", none}, busy, nil},
		{[]string{"AReasonOfTheFuture"}, busy, nil},
		{nil, busy, nil},
	} {
		got := judge(cancelledFor(c.reasons...))
		if got.kind != c.want || !slices.Equal(got.failed, c.failed) {
			t.Errorf("%v: kind %d, failed %v; want %d, %v", c.reasons, got.kind, got.failed, c.want, c.failed)
		}
	}
}
