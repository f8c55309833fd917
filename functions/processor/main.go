// Processor is the Lambda function of the hot path: it counts the events of a Kinesis stream into DynamoDB, each once.
package main

import (
	_ "embed"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/millrace/millrace/internal/client"
	"github.com/millrace/millrace/internal/config"
	"github.com/millrace/millrace/internal/failure"
	"github.com/millrace/millrace/internal/ledger"
	"github.com/millrace/millrace/internal/meter"
	"github.com/millrace/millrace/internal/processor"
)

//go:embed meters.json
var meters []byte

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	h, err := build(os.Getenv)
	if err != nil {
		slog.Error("start processor", "error", err.Error())
		os.Exit(1)
	}
	limitMemory(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"))
	lambda.Start(h)
}

// limitMemory has the garbage collector keep the process within four fifths of the function's memory, given in MB: left
// alone it lets the heap grow to twice what is alive.
func limitMemory(megabytes string) {
	if mb, err := strconv.ParseInt(megabytes, 10, 64); err == nil {
		debug.SetMemoryLimit(mb << 20 / 5 * 4)
	}
}

// build wires everything once, for all batches of this instance. It calls nobody.
func build(getenv func(string) string) (*handler, error) {
	set, err := meter.Parse(config.MetersFile, meters)
	if err != nil {
		return nil, err
	}
	settings, err := config.ReadProcessor(getenv)
	if err != nil {
		return nil, err
	}
	table, queue := getenv(config.EnvTable), getenv(config.EnvFailureQueue)
	if table == "" || queue == "" {
		return nil, fmt.Errorf("read environment: %s and %s are not both set", config.EnvTable, config.EnvFailureQueue)
	}
	aws, err := client.FromEnvironment(getenv)
	if err != nil {
		return nil, err
	}
	counts := ledger.New(dynamodb.NewFromConfig(aws), table, ledger.Options{
		Layout:    ledger.Layout{Bits: settings.Bits, Epoch: settings.Epoch, Horizon: time.Duration(settings.Horizon)},
		Retention: time.Duration(settings.Retention),
		AnyOrder:  handle == nil, // then nobody sees an order
	})
	failures := sender{failure.NewQueue(sqs.NewFromConfig(aws), queue)}
	engine := processor.New(set, counts, failures, processor.Settings{Handler: handle, Patience: settings.Patience})
	return &handler{decoder: newDecoder(), engine: engine, stats: counts.Stats, metrics: newMetrics(getenv("AWS_LAMBDA_FUNCTION_NAME"), os.Stdout)}, nil
}
