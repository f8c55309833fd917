package sqs

import "github.com/millrace/millrace/internal/awslocal/wire"

// codeParameter is for every value that no error of SQS's model is about.
const codeParameter = "InvalidParameterValue"

var (
	errNoQueue = wire.Errorf("QueueDoesNotExist", "The specified queue does not exist.")
	errHandle  = wire.Errorf("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
	errFIFO    = wire.Unimplemented("FIFO queues")
)

func missing(parameter string) error {
	return wire.Errorf("MissingParameter", "The request must contain the parameter %s.", parameter)
}

func outside(value int, parameter string, low, high int) error {
	return wire.Errorf(codeParameter, "Value %d for parameter %s is invalid. Reason: Must be between %d and %d, if provided.", value, parameter, low, high)
}

// within checks an optional parameter.
func within(value *int, parameter string, low, high int) error {
	if value != nil && (*value < low || *value > high) {
		return outside(*value, parameter, low, high)
	}
	return nil
}
