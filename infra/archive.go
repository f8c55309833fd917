package main

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsathena"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsglue"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"

	"github.com/millrace/millrace/internal/config"
)

// resultPrefix is where Athena puts what a query gives.
const resultPrefix = "athena/"

// Days after which what is no archive goes.
const (
	noncurrentDays = 30 // time to undo an accident: nothing overwrites or deletes an object of the archive on purpose
	uploadDays     = 7  // an upload in parts that has not ended in a week never will
	resultDays     = 7  // a result can be had again
)

// firstDay is where the table's partitions begin. No object can be older: it has the day that Firehose took its records in,
// and the archive came to Millrace in that year.
const firstDay = "2026-01-01"

// archive is the bucket of the events and what Athena needs to read it.
type archive struct {
	bucket    awss3.Bucket
	database  awsglue.CfnDatabase
	table     awsglue.CfnTable
	workGroup awsathena.CfnWorkGroup
}

func newArchive(stack awscdk.Stack, s Settings, key awskms.Key) archive {
	var a archive
	a.bucket = newBucket(stack, s, key)
	a.database = awsglue.NewCfnDatabase(stack, jsii.String("ArchiveDatabase"), &awsglue.CfnDatabaseProps{
		CatalogId: stack.Account(),
		DatabaseInput: &awsglue.CfnDatabase_DatabaseInputProperty{
			Name:        jsii.String(databaseName(s.Stack)),
			Description: jsii.String("Millrace: the archive"),
		},
	})
	a.table = a.newTable(stack, s)
	a.workGroup = a.newWorkGroup(stack, key)
	a.newQuery(stack, "EventsByDay", "Events by day and type", "How many events were put in the last 30 days, by day and type", eventsByDay)
	a.newQuery(stack, "Copies", "Events stored more than once", "Which events of the last 30 days were put or delivered more than once", copies)
	return a
}

// newBucket declares the archive's bucket. Without KeepData it goes with the stack once it is empty: CloudFormation deletes
// no bucket that holds objects, and the custom resource of CDK that would empty it is a Node function that may delete
// every event. Old versions are kept for data that is kept; without them one command empties the bucket.
func newBucket(stack awscdk.Stack, s Settings, key awskms.Key) awss3.Bucket {
	props := &awss3.BucketProps{
		Encryption:        awss3.BucketEncryption_S3_MANAGED,
		Versioned:         jsii.Bool(s.KeepData),
		EnforceSSL:        jsii.Bool(true),
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		LifecycleRules:    lifecycle(),
		RemovalPolicy:     s.removal(),
	}
	if key != nil {
		props.Encryption, props.EncryptionKey = awss3.BucketEncryption_KMS, key
		props.BucketKeyEnabled = jsii.Bool(true) // one call to the key for many objects
	}
	bucket := awss3.NewBucket(stack, jsii.String("Archive"), props)
	bucket.Policy().ApplyRemovalPolicy(s.removal()) // TLS only, as long as it is there
	suppress(bucket, "AwsSolutions-S1", "Access logs need a bucket of their own, without a key of our own. Who must know who reads the archive switches on CloudTrail's data events, for all buckets of the account.")
	return bucket
}

// lifecycle moves events to Intelligent-Tiering at once: what nobody reads for 30 days costs 40 % less to store, for 90
// days 68 % less, and reading it, as a replay does, costs nothing extra. Glacier Instant Retrieval would be cheaper still,
// but a replay would pay for each gigabyte, and an object is paid for 90 days at least. Nothing under the error prefix
// ends by itself: once the stream has forgotten them, those bytes are nowhere else.
func lifecycle() *[]*awss3.LifecycleRule {
	return &[]*awss3.LifecycleRule{
		{
			Id:                                  jsii.String("Leftovers"),
			NoncurrentVersionExpiration:         days(noncurrentDays),
			AbortIncompleteMultipartUploadAfter: days(uploadDays),
		},
		{
			Id:     jsii.String("Events"),
			Prefix: jsii.String(config.ArchivePrefix),
			Transitions: &[]*awss3.Transition{{
				StorageClass: awss3.StorageClass_INTELLIGENT_TIERING(), TransitionAfter: days(0),
			}},
		},
		{Id: jsii.String("Results"), Prefix: jsii.String(resultPrefix), Expiration: days(resultDays)},
	}
}

// newTable declares the table of the events, by which Firehose converts and Athena reads. Its partitions, one a day, are
// reckoned from the properties (Athena, "Partition projection"): no crawler, and no partition to add.
func (a archive) newTable(stack awscdk.Stack, s Settings) awsglue.CfnTable {
	location := *a.bucket.S3UrlForObject(jsii.String(config.ArchivePrefix))
	format := formats[s.ArchiveFormat]
	return awsglue.NewCfnTable(stack, jsii.String("ArchiveTable"), &awsglue.CfnTableProps{
		CatalogId:    stack.Account(),
		DatabaseName: a.database.Ref(),
		TableInput: &awsglue.CfnTable_TableInputProperty{
			Name:        jsii.String(config.ArchiveTable),
			Description: jsii.String("One row is one event as it was put; dt is the day that Firehose took it in, in UTC"),
			TableType:   jsii.String("EXTERNAL_TABLE"),
			Parameters: map[string]string{
				"classification":            s.ArchiveFormat,
				"projection.enabled":        "true",
				"projection.dt.type":        "date",
				"projection.dt.format":      "yyyy-MM-dd",
				"projection.dt.range":       firstDay + ",NOW",
				"storage.location.template": location + "dt=${dt}/",
			},
			PartitionKeys: []any{&awsglue.CfnTable_ColumnProperty{Name: jsii.String("dt"), Type: jsii.String("string"), Comment: jsii.String("day that Firehose took the record in, in UTC")}},
			StorageDescriptor: &awsglue.CfnTable_StorageDescriptorProperty{
				Columns:      columns(),
				Location:     jsii.String(location),
				InputFormat:  jsii.String(format.input),
				OutputFormat: jsii.String(format.output),
				SerdeInfo:    &awsglue.CfnTable_SerdeInfoProperty{SerializationLibrary: jsii.String(format.serde)},
			},
		},
	})
}

// formats are Hive's classes for the formats of the archive (Athena, "Choose a SerDe for your data").
var formats = map[string]struct{ input, output, serde string }{
	Parquet: {
		"org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
		"org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
		"org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
	},
	JSON: {
		"org.apache.hadoop.mapred.TextInputFormat",
		"org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
		"org.openx.data.jsonserde.JsonSerDe",
	},
}

func columns() []any {
	var out []any
	for _, c := range config.ArchiveColumns() {
		out = append(out, &awsglue.CfnTable_ColumnProperty{Name: jsii.String(c.Name), Type: jsii.String(c.Type), Comment: jsii.String(c.Comment)})
	}
	return out
}

// newWorkGroup declares the workgroup whose results stay in the bucket, whatever a client asks for. With the stack it goes
// with all that users have saved in it: a workgroup with a history could not be deleted otherwise.
func (a archive) newWorkGroup(stack awscdk.Stack, key awskms.Key) awsathena.CfnWorkGroup {
	encryption := &awsathena.CfnWorkGroup_EncryptionConfigurationProperty{EncryptionOption: jsii.String("SSE_S3")}
	if key != nil {
		encryption.EncryptionOption, encryption.KmsKey = jsii.String("SSE_KMS"), key.KeyArn()
	}
	return awsathena.NewCfnWorkGroup(stack, jsii.String("WorkGroup"), &awsathena.CfnWorkGroupProps{
		Name:                  awscdk.Aws_STACK_NAME(),
		Description:           jsii.String("Queries of the archive"),
		RecursiveDeleteOption: jsii.Bool(true),
		WorkGroupConfiguration: &awsathena.CfnWorkGroup_WorkGroupConfigurationProperty{
			EnforceWorkGroupConfiguration: jsii.Bool(true),
			ResultConfiguration: &awsathena.CfnWorkGroup_ResultConfigurationProperty{
				OutputLocation:          a.bucket.S3UrlForObject(jsii.String(resultPrefix)),
				EncryptionConfiguration: encryption,
				ExpectedBucketOwner:     stack.Account(),
			},
		},
	})
}

func (a archive) newQuery(stack awscdk.Stack, id, name, description, query string) {
	awsathena.NewCfnNamedQuery(stack, jsii.String(id), &awsathena.CfnNamedQueryProps{
		Name:        jsii.String(name),
		Description: jsii.String(description),
		Database:    a.database.Ref(),
		WorkGroup:   a.workGroup.Ref(),
		QueryString: jsii.String(query),
	})
}

// The named queries. Both read 30 days: without a condition on dt a query reads the whole archive, and pays for it.
const (
	eventsByDay = `-- Events by the day that Firehose took them in, and type. Where records are more, events were put or delivered again.
SELECT dt, type, count(DISTINCT (source, id)) AS events, count(*) AS records
FROM ` + config.ArchiveTable + `
WHERE dt >= CAST(current_date - INTERVAL '30' DAY AS VARCHAR)
GROUP BY dt, type
ORDER BY dt DESC, type
`
	copies = `-- Events stored more than once; the meters have counted each once. With more than one put, a producer, redrive or
-- replay has put the event again. What is stored more often than it was put, Firehose has delivered again.
SELECT source, id,
       count(*) AS stored,
       count(DISTINCT (shard_id, sequence_number, sub_sequence_number)) AS puts,
       min(arrival) AS first_arrival,
       max(arrival) AS last_arrival
FROM ` + config.ArchiveTable + `
WHERE dt >= CAST(current_date - INTERVAL '30' DAY AS VARCHAR)
GROUP BY source, id
HAVING count(*) > 1
ORDER BY stored DESC, source, id
LIMIT 1000
`
)

// readSchema lets Firehose read the table's columns. Glue asks for the right to what a table is in, too.
func (a archive) readSchema(stack awscdk.Stack) awsiam.PolicyStatement {
	statement := allow("Schema", glueArn(stack, "catalog"), "glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions")
	statement.AddResources(
		glueArn(stack, "database/"+*a.database.Ref()),
		glueArn(stack, "table/"+*a.database.Ref()+"/"+*a.table.Ref()))
	return statement
}

func glueArn(stack awscdk.Stack, resource string) *string {
	return stack.FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("glue"), Resource: jsii.String(resource), ArnFormat: awscdk.ArnFormat_NO_RESOURCE_NAME,
	})
}

// databaseName makes of a stack's name one that Glue keeps as it is and that needs no quotes in a query: lower case letters,
// digits, underscores.
func databaseName(stack string) string {
	return strings.ToLower(strings.ReplaceAll(stack, "-", "_"))
}

func days(n float64) awscdk.Duration { return awscdk.Duration_Days(jsii.Number(n)) }
