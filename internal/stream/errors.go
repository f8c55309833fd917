package stream

import (
	"context"
	"errors"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
)

// codeThrottled is the error code of a record for which its shard had no throughput. The other code there is,
// InternalFailure, is transient as well (API reference of PutRecordsResultEntry).
const codeThrottled = "ProvisionedThroughputExceededException"

// errAnswerLost is an answer that cannot be made out: the records may be in the stream or not.
var errAnswerLost = errors.New("answer is not readable")

var (
	retryable = retry.IsErrorRetryables(retry.DefaultRetryables)
	throttles = retry.RetryableErrorCode{Codes: retry.DefaultThrottleErrorCodes}
)

// isTransient tells errors of a whole request after which the same request may well be taken: what the SDK would
// retry, every answer that was lost, and an iterator that its reader renews. Anything else (no such stream, not allowed,
// no credentials) would fail again.
func isTransient(err error) bool {
	var unreadable *smithy.DeserializationError
	var kms *types.KMSThrottlingException // the SDK's list does not have it
	var expired *types.ExpiredIteratorException
	return errors.Is(err, errAnswerLost) ||
		errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &unreadable) ||
		errors.As(err, &kms) ||
		errors.As(err, &expired) ||
		retryable.IsErrorRetryable(err) == aws.TrueTernary
}

// isThrottle tells whether a whole request was refused for want of throughput.
func isThrottle(err error) bool { return throttles.IsErrorRetryable(err) == aws.TrueTernary }
