import json
import os
from typing import Any

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event: Any, context: Any) -> dict[str, Any]:
    about = event["requestContext"]
    # The address that every such sample makes of its event.
    endpoint = "https://" + about["domainName"] + "/" + about["stage"]
    api = boto3.client("apigatewaymanagementapi", endpoint_url=endpoint)
    text = json.loads(event["body"])["data"]
    for row in table.scan(ProjectionExpression="connectionId")["Items"]:
        try:
            api.post_to_connection(ConnectionId=str(row["connectionId"]), Data=text.encode())
        except api.exceptions.GoneException:
            print("found a stale connection, deleting", row["connectionId"])  # noqa: T201
            table.delete_item(Key=row)
    return {"statusCode": 200, "body": "Data sent."}
