// Command aws is a function on aws-lambda-go, as the functions of this module are.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strconv"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do, Text string
}

func main() {
	lambda.Start(func(ctx context.Context, e event) (any, error) {
		switch e.Do {
		case "error":
			return nil, errors.New(e.Text)
		case "panic":
			panic(e.Text)
		case "hang":
			f, err := os.OpenFile(e.Text, os.O_WRONLY, 0)
			if err != nil {
				return nil, err
			}
			f.WriteString(strconv.Itoa(os.Getpid()))
			select {}
		case "idle": // as hang, but answers: the process waits at next
			f, err := os.OpenFile(e.Text, os.O_WRONLY, 0)
			if err != nil {
				return nil, err
			}
			held = f
			f.WriteString(strconv.Itoa(os.Getpid()))
		}
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		return json.Marshal(map[string]any{
			"id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "deadline": deadline.UnixMilli(),
			"name": lambdacontext.FunctionName, "memory": lambdacontext.MemoryLimitInMB,
		})
	})
}

var held *os.File
