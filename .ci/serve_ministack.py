"""Serves ministack 1.5.33 with two things put right for .ci/deploy.

It has Athena's named queries, and its CloudFormation does not know them ("Unrecognized resource types:
[AWS::Athena::NamedQuery]"). And its Runtime API sends an answer's head and body apart, so that by Nagle's algorithm each
invocation waits 40 ms for a delayed acknowledgement; that is ten minutes for a day of flights through the transform."""

import socketserver

from ministack.app import main
from ministack.services import athena
from ministack.services.cloudformation import provisioners


def create(_logical_id, properties, _stack):
    call = provisioners._glue_call  # turns an error's answer into a failed resource
    made = call(athena._create_named_query, dict(properties), "AWS::Athena::NamedQuery", "create")
    return made["NamedQueryId"], {"NamedQueryId": made["NamedQueryId"]}


def delete(physical_id, _properties):
    athena._delete_named_query({"NamedQueryId": physical_id})


provisioners._RESOURCE_HANDLERS["AWS::Athena::NamedQuery"] = {"create": create, "delete": delete}
socketserver.StreamRequestHandler.disable_nagle_algorithm = True
main()
