// Transform is the Lambda function of the cold path: it makes rows of the archive's table out of a Kinesis stream's records,
// for Firehose. It calls nobody.
package main

import (
	"io"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	lambda.Start(newHandler(os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), os.Stdout))
}

// newHandler wires everything once, for all invocations of this instance.
func newHandler(function string, out io.Writer) *handler {
	return &handler{decoder: newDecoder(), transformer: newTransformer(), metrics: newMetrics(function, out)}
}
