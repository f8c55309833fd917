"""What .ci/deploy asks of a deployed stack: deployed.py ENDPOINT VERB ARGUMENTS. Nothing here is shared with the Go code:
the truth is reckoned anew from the sample's file."""

import collections
import csv
import gzip
import io
import json
import sys
import time

import botocore.exceptions
import botocore.session

ENDPOINT = sys.argv[1]
SAMPLE = "internal/sample/flights-week.csv.gz"  # README.md beside it has the columns
BROKEN = b"\xffneither an event, nor gzip, nor an aggregate"


def client(service):
    return botocore.session.get_session().create_client(service, endpoint_url=ENDPOINT)


def fail(message):
    sys.exit(f"failed: {message}")


def outputs(stack):
    described = client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    return {o["OutputKey"]: o["OutputValue"] for o in described["Outputs"]}


def flights(day):
    """The sample's flights of a day; a flight's id is the number of its row."""
    with gzip.open(SAMPLE, "rt") as file:
        return [{**row, "id": str(i)} for i, row in enumerate(csv.DictReader(file), 1) if row["date"].startswith(day)]


def truth(day, departures, network):
    """Compares the rows of both meters, as scripts/query -each -json wrote them, with the file's."""
    want, hours = {}, collections.Counter()
    for f in flights(day):
        measures = want.setdefault(f["origin"], {"delay": [], "distance": []})
        measures["delay"].append(int(f["delay"]))
        measures["distance"].append(int(f["distance"]))
        hours[f["date"][:13] + ":00:00Z"] += 1
    rows = []
    for origin, measures in want.items():
        row = {"window": day + "T00:00:00Z", "origin": origin, "count": len(measures["delay"])}
        for name, values in measures.items():
            row |= {f"{name}.sum": sum(values), f"{name}.min": min(values), f"{name}.max": max(values)}
        rows.append(row)
    same("departures", departures, rows)
    same("network", network, [{"window": hour, "count": n} for hour, n in hours.items()])


def same(meter, file, want):
    def ordered(rows):
        return sorted(({k: v for k, v in r.items() if not k.endswith(".avg")} for r in rows), key=str_key)

    def str_key(row):
        return (row["window"], row.get("origin", ""))

    with open(file) as f:
        got = ordered(json.load(f))
    want = ordered(want)
    for g, w in zip(got, want):
        if g != w:
            fail(f"{meter}: the table holds {g}, the truth is {w}")
    if len(got) != len(want):
        fail(f"{meter}: the table holds {len(got)} rows, the truth has {len(want)}")
    print(f"{meter}: {len(got)} rows, {sum(r['count'] for r in got):,} events: every value is the truth")


def broken(stack):
    """Puts a record that nobody can decode: the failure queue gets it, with its bytes."""
    names = outputs(stack)
    client("kinesis").put_record(StreamName=names["StreamName"], PartitionKey="broken", Data=BROKEN)
    sqs = client("sqs")
    until = time.monotonic() + 180
    while time.monotonic() < until:
        got = sqs.receive_message(QueueUrl=names["FailureQueueUrl"], MaxNumberOfMessages=10, WaitTimeSeconds=5, VisibilityTimeout=0)
        for message in got.get("Messages", []):
            print("failure queue:", message["Body"])
            return
    fail("the broken record is not in the failure queue")


def objects(bucket):
    s3 = client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", []):
            yield entry["Key"], s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()


def rows(key, body):
    """The rows of an object, whatever Firehose made of it."""
    if body.startswith(b"PAR1"):
        import tempfile

        import duckdb

        with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
            file.write(body)
            file.flush()
            table = duckdb.sql(f"select * from '{file.name}'")
            return [dict(zip(table.columns, row)) for row in table.fetchall()]
    if body.startswith(b"\x1f\x8b"):
        body = gzip.decompress(body)
    try:
        return [json.loads(line) for line in body.decode().splitlines()]
    except ValueError:
        fail(f"{key} is neither Parquet nor JSON lines: {body[:80]!r}")


def archive(stack, day, count):
    """Compares the archive with what was put: the first count flights of the day, each once, with where it came from."""
    bucket = outputs(stack)["ArchiveName"]
    want = {f["id"] for f in flights(day)[: int(count)]}
    found, formats, unplaced = collections.Counter(), collections.Counter(), 0
    for key, body in objects(bucket):
        if not key.startswith("events/dt="):
            fail(f"{key} in the archive: {body[:300]!r}")
        formats["Parquet" if body.startswith(b"PAR1") else "JSON"] += 1
        for row in rows(key, body):
            missing = [c for c in ("id", "source", "type", "time", "event", "partition_key", "arrival") if not row.get(c)]
            if missing and missing != ["partition_key"]:
                fail(f"{key}: a row without {', '.join(missing)}: {row}")
            if json.loads(row["event"])["id"] != row["id"]:
                fail(f"{key}: id {row['id']} is not its event's: {row['event']}")
            unplaced += not (row.get("shard_id") and row.get("sequence_number"))
            found[row["id"]] += 1
    if found != collections.Counter(want):
        twice = [i for i, n in found.items() if n > 1]
        fail(f"{len(want - set(found))} of {len(want)} events missing, {len(twice)} more than once, "
             f"{len(set(found) - want)} strange: {sorted(want - set(found))[:5]} {twice[:5]} {sorted(set(found) - want)[:5]}")
    print(f"archive: {sum(found.values()):,} events, each once, in {sum(formats.values()):,} objects ({dict(formats)}); "
          f"{unplaced:,} without shard and sequence number")


def empty(stack):
    bucket = outputs(stack)["ArchiveName"]
    keys = [key for key, _ in objects(bucket)]
    for key in keys:
        client("s3").delete_object(Bucket=bucket, Key=key)
    print(f"archive emptied of {len(keys)} objects")


# How to ask for a resource by its physical id, for each type; what is not there is an error. The first five hold data.
DATA = ("AWS::Kinesis::Stream", "AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::S3::Bucket", "AWS::KMS::Key")
ASK = {
    "AWS::Kinesis::Stream": lambda i: client("kinesis").describe_stream_summary(StreamName=i),
    "AWS::DynamoDB::Table": lambda i: client("dynamodb").describe_table(TableName=i),
    "AWS::SQS::Queue": lambda i: client("sqs").get_queue_attributes(QueueUrl=i),
    "AWS::S3::Bucket": lambda i: client("s3").head_bucket(Bucket=i),
    "AWS::KMS::Key": lambda i: client("kms").list_resource_tags(KeyId=i) and enabled(i),
    "AWS::Lambda::Function": lambda i: client("lambda").get_function(FunctionName=i),
    "AWS::Lambda::EventSourceMapping": lambda i: client("lambda").get_event_source_mapping(UUID=i),
    "AWS::IAM::Role": lambda i: client("iam").get_role(RoleName=i),
    "AWS::KinesisFirehose::DeliveryStream": lambda i: client("firehose").describe_delivery_stream(DeliveryStreamName=i),
    "AWS::Logs::LogGroup": lambda i: one(client("logs").describe_log_groups(logGroupNamePrefix=i)["logGroups"]),
    "AWS::CloudWatch::Alarm": lambda i: one(client("cloudwatch").describe_alarms(AlarmNames=[i])["MetricAlarms"]),
    "AWS::Glue::Database": lambda i: client("glue").get_database(Name=i),
    "AWS::Athena::WorkGroup": lambda i: client("athena").get_work_group(WorkGroup=i),
    "AWS::SNS::Topic": lambda i: client("sns").get_topic_attributes(TopicArn=i),
}


def enabled(key):
    state = client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    if state != "Enabled":
        raise LookupError(state)


def one(found):
    if not found:
        raise LookupError("none")


def there(resource):
    try:
        ASK[resource["ResourceType"]](resource["PhysicalResourceId"])
    except (botocore.exceptions.ClientError, LookupError):
        return False
    return True


def resources(stack):
    found = client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    known = [{k: r[k] for k in ("LogicalResourceId", "ResourceType", "PhysicalResourceId")}
             for r in found if r["ResourceType"] in ASK]
    for r in known:
        if not there(r):
            fail(f"{r} is not there, and the stack is")
    json.dump(known, sys.stdout)


def left(keep, file, said):
    """What is there after cdk destroy: with keepData what holds data, and the CDK has named each; else nothing."""
    with open(said) as f:
        skipped = [line for line in f if "DELETE_SKIPPED" in line]
    with open(file) as f:
        known = json.load(f)
    kept = 0
    for r in known:
        keeps = keep == "true" and r["ResourceType"] in DATA
        if there(r) != keeps:
            fail(f"{r} is {'gone' if keeps else 'still there'}")
        if any(line.split("|")[-1].split()[-1].strip("()") == r["LogicalResourceId"] for line in skipped) != keeps:
            fail(f"{r}: kept is {keeps}, and cdk destroy said: {skipped}")
        if keeps:
            print(f"kept, and said so: {r['LogicalResourceId']} {r['PhysicalResourceId']}")
        kept += keeps
    print(f"{len(known) - kept} of {len(known)} resources are gone, {kept} kept")


def count(_=None):
    print(sum(row["count"] for row in json.load(sys.stdin)))


def number(day):
    print(len(flights(day)))


VERBS = {"truth": truth, "broken": broken, "archive": archive, "resources": resources, "left": left, "empty": empty, "count": count, "flights": number}
VERBS[sys.argv[2]](*sys.argv[3:])
