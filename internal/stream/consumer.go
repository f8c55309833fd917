package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const (
	// consumerInterval is between two looks at a consumer that is being made; DescribeStreamConsumer allows 20 a second.
	consumerInterval = time.Second
	// consumerPatience is how long it may take to become active: it takes AWS some seconds.
	consumerPatience = 2 * time.Minute
)

// ConsumerAPI is what using a consumer needs of the Kinesis client.
type ConsumerAPI interface {
	RegisterStreamConsumer(context.Context, *kinesis.RegisterStreamConsumerInput, ...func(*kinesis.Options)) (*kinesis.RegisterStreamConsumerOutput, error)
	DescribeStreamConsumer(context.Context, *kinesis.DescribeStreamConsumerInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamConsumerOutput, error)
	DeregisterStreamConsumer(context.Context, *kinesis.DeregisterStreamConsumerInput, ...func(*kinesis.Options)) (*kinesis.DeregisterStreamConsumerOutput, error)
}

// Consumer is a consumer of a stream for enhanced fan-out. A stream has at most 20 (50 in some modes), and each costs
// money while it is registered.
type Consumer struct {
	ARN  string
	Made bool // by UseConsumer; else it was there

	api ConsumerAPI
}

// UseConsumer gives the consumer of a name, registered if it is not there, when it is active. Release it, after an
// error too: it then gives what was made before.
func UseConsumer(ctx context.Context, api ConsumerAPI, streamARN, name string) (*Consumer, error) {
	c := &Consumer{api: api}
	began := time.Now()
	for {
		status, err := c.look(ctx, streamARN, name)
		switch {
		case err != nil:
			return c, fmt.Errorf("consumer %s: %w", name, err)
		case status == types.ConsumerStatusActive:
			return c, nil
		case time.Since(began) >= consumerPatience:
			return c, fmt.Errorf("consumer %s is still %s after %s", name, status, consumerPatience)
		}
		if err := pause(ctx, consumerInterval); err != nil {
			return c, err
		}
	}
}

// look tells the state of the consumer, and registers one that is not there.
func (c *Consumer) look(ctx context.Context, streamARN, name string) (types.ConsumerStatus, error) {
	out, err := c.api.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{StreamARN: &streamARN, ConsumerName: &name})
	if err == nil {
		c.ARN = aws.ToString(out.ConsumerDescription.ConsumerARN)
		return out.ConsumerDescription.ConsumerStatus, nil
	}
	var missing *types.ResourceNotFoundException
	if !errors.As(err, &missing) {
		return "", err
	}
	if c.Made {
		return types.ConsumerStatusCreating, nil // not seen everywhere yet
	}
	made, err := c.api.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: &streamARN, ConsumerName: &name})
	if err != nil {
		return "", err
	}
	c.ARN, c.Made = aws.ToString(made.Consumer.ConsumerARN), true
	return made.Consumer.ConsumerStatus, nil
}

// Release deregisters a consumer that UseConsumer has made.
func (c *Consumer) Release(ctx context.Context) error {
	if !c.Made {
		return nil
	}
	if _, err := c.api.DeregisterStreamConsumer(ctx, &kinesis.DeregisterStreamConsumerInput{ConsumerARN: &c.ARN}); err != nil {
		return fmt.Errorf("deregister consumer %s: %w", c.ARN, err)
	}
	c.Made = false
	return nil
}
