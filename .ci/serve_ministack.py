"""Serves ministack 1.5.33 with one type of resource more: it has Athena's named queries, and its CloudFormation does not
know them ("Unrecognized resource types: [AWS::Athena::NamedQuery]")."""

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
main()
