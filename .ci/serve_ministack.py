"""Serves ministack 1.5.33 with four things put right for .ci/deploy.

  - It has Athena's named queries, and its CloudFormation does not know them ("Unrecognized resource types").
  - Its CloudFormation refuses an alarm on an expression ("metric math is not supported"): here such an alarm watches the
    first metric of its expression, so that the stack can be made. What the expression says is not proved by that.
  - Its Firehose calls the transform function for each record and makes an object of each: three minutes for a day of
    flights. Here it takes the records of one PutRecords together, as Firehose does with those of an interval.
  - Its Runtime API sends an answer's head and body apart, so that by Nagle's algorithm each invocation waits 40 ms for a
    delayed acknowledgement.
"""

import socketserver

from ministack.app import main
from ministack.services import athena, firehose
from ministack.services.cloudformation import provisioners


def create_query(_logical_id, properties, _stack):
    call = provisioners._glue_call  # makes a failed resource of an error's answer
    made = call(athena._create_named_query, dict(properties), "AWS::Athena::NamedQuery", "create")
    return made["NamedQueryId"], {"NamedQueryId": made["NamedQueryId"]}


def delete_query(physical_id, _properties):
    athena._delete_named_query({"NamedQueryId": physical_id})


provisioners._RESOURCE_HANDLERS["AWS::Athena::NamedQuery"] = {"create": create_query, "delete": delete_query}

alarm_record = provisioners._cw_metric_alarm_record


def alarm_on_first_metric(name, properties):
    metrics = [m["MetricStat"] for m in properties.get("Metrics", []) if "MetricStat" in m]
    if not metrics:
        return alarm_record(name, properties)
    first = {"Period": metrics[0]["Period"], "Statistic": metrics[0]["Stat"], **metrics[0]["Metric"]}
    return alarm_record(name, {k: v for k, v in properties.items() if k != "Metrics"} | first)


provisioners._cw_metric_alarm_record = alarm_on_first_metric


def take_together(stream_arn, records):
    for stream in list(firehose._streams.values()):
        if (stream.get("kinesis_source") or {}).get("KinesisStreamARN") != stream_arn:
            continue
        for destination in stream["destinations"]:
            batch = [(firehose._record_id(), data) for _key, data in records]
            rows = firehose._apply_lambda_processors(stream, destination, batch)
            if rows:
                firehose._deliver_to_s3(stream, destination, b"".join(data for _id, data in rows))


firehose.ingest_from_kinesis_source = take_together
socketserver.StreamRequestHandler.disable_nagle_algorithm = True
main()
