package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/internal/awslocal/stack"
)

func TestKinds_Resources_AreWordsEachOnce(t *testing.T) {
	var resources []stack.Resource
	for _, kind := range []string{"AWS::S3::Bucket", "AWS::IAM::Role", "AWS::KinesisFirehose::DeliveryStream", "AWS::IAM::Role", "Custom::Thing"} {
		resources = append(resources, stack.Resource{Type: kind})
	}
	want := []string{"Custom thing", "IAM role", "KinesisFirehose delivery stream", "S3 bucket"}
	if diff := cmp.Diff(want, kinds(resources)); diff != "" {
		t.Error(diff)
	}
}
