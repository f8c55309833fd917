package awslocal

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/millrace/millrace/internal/awslocal/esm"
	streams "github.com/millrace/millrace/internal/awslocal/kinesis"
	"github.com/millrace/millrace/internal/awslocal/lambda"
)

// benchmarkRecord is a record's data, of usual size.
const benchmarkRecord = `{"specversion":"1.0","id":"AA-20080103-1234-OSL","source":"/airlines/AA","type":"flight.departed",` +
	`"time":"2008-01-03T08:00:00Z","subject":"OSL","datacontenttype":"application/json",` +
	`"data":{"origin":"OSL","destination":"BGO","carrier":"AA","delay":3,"distance":100}}`

// BenchmarkProcesses has mappings hand all that is on a stream to a compiled function that does nothing, in batches of
// 1,000, over the Runtime API. The cold starts of its processes are in the time, the puts are not.
func BenchmarkProcesses(b *testing.B) {
	const n = 400_000
	code := buildNoop(b)
	for _, shards := range []int{2, 8} {
		b.Run(fmt.Sprintf("shards=%d", shards), func(b *testing.B) {
			settled := make(chan int, 100)
			e := Start(b, Options{Mapping: esm.Options{Settled: func(s esm.Settled) { settled <- len(s.Records) }}})
			arn, err := e.Kinesis.Create(streams.Stream{Name: "s", Shards: shards})
			if err != nil {
				b.Fatal(err)
			}
			if err := e.Lambda.Create(lambda.Function{Name: "noop", CodeDir: code, Timeout: time.Minute}); err != nil {
				b.Fatal(err)
			}
			putMany(b, kinesis.NewFromConfig(e.Config()), n)
			cfg := esm.DefaultConfig()
			cfg.EventSourceARN, cfg.StartingPosition, cfg.BatchSize = arn, esm.TrimHorizon, 1000
			for b.Loop() {
				m, err := e.Mappings.Create("", "noop", cfg)
				if err != nil {
					b.Fatal(err)
				}
				for left := n; left > 0; {
					left -= <-settled
				}
				m.Delete()
				if err := m.Wait(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "records/s")
		})
	}
}

func buildNoop(b *testing.B) string {
	dir := b.TempDir()
	cmd := exec.CommandContext(b.Context(), "go", "build", "-tags", "lambda.norpc", "-o", filepath.Join(dir, "bootstrap"), "./testdata/noop")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	return dir
}

// putMany puts so many records, which must be a multiple of 500, under a thousand keys.
func putMany(b *testing.B, c *kinesis.Client, n int) {
	for i := 0; i < n; {
		in := &kinesis.PutRecordsInput{StreamName: aws.String("s")}
		for range 500 {
			in.Records = append(in.Records, types.PutRecordsRequestEntry{Data: []byte(benchmarkRecord), PartitionKey: aws.String(fmt.Sprint(i % 1000))})
			i++
		}
		if _, err := c.PutRecords(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}
