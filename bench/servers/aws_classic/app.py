"""The functions of the classic pattern, as one writes them with boto3."""

import json
import os
import time
import uuid

import boto3
from boto3.dynamodb.conditions import Key

DAY = 24 * 3600

dynamodb = boto3.resource("dynamodb")
jobs = dynamodb.Table(os.environ["JOBS"])
connections = dynamodb.Table(os.environ["CONNECTIONS"])
sqs = boto3.client("sqs")
sockets = boto3.client("apigatewaymanagementapi", endpoint_url=os.environ["SOCKETS"])


def submit(event, context):
    """`POST /jobs`."""
    try:
        wanted = json.loads(event["body"])
        job = {"id": str(uuid.uuid4()), "user": str(wanted["user"]), "n": int(wanted["n"])}
    except (KeyError, TypeError, ValueError):
        return answer(400, {"error": "a user and a number n are needed"})
    expires = int(time.time()) + 7 * DAY
    jobs.put_item(Item={**job, "status": "queued", "expires": expires})
    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(job))
    return answer(202, {"id": job["id"]})


def status(event, context):
    """`GET /jobs/{id}`."""
    item = jobs.get_item(Key={"id": event["pathParameters"]["id"]}).get("Item")
    if item is None:
        return answer(404, {"error": "there is no such job"})
    return answer(200, {"id": item["id"], "status": item["status"], "n": int(item["n"])})


def work(event, context):
    """Messages of the queue."""
    failed = []
    for record in event["Records"]:
        try:
            job = json.loads(record["body"])
            jobs.update_item(
                Key={"id": job["id"]},
                UpdateExpression="SET #status = :done, #result = :result",
                ExpressionAttributeNames={"#status": "status", "#result": "result"},
                ExpressionAttributeValues={":done": "done", ":result": job["n"]},
            )
        except Exception as error:
            print("failed:", record["messageId"], error)
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def push(event, context):
    """Jobs that are done, from the table's stream."""
    for record in event["Records"]:
        job = record["dynamodb"]["NewImage"]
        try:
            told = json.dumps({"id": job["id"]["S"], "n": int(job["result"]["N"])})
            for connection in connections_of(job["user"]["S"]):
                post(connection, told)
        except Exception as error:
            print("failed:", error)
            # The stream goes on from here.
            failed = {"itemIdentifier": record["dynamodb"]["SequenceNumber"]}
            return {"batchItemFailures": [failed]}
    return {"batchItemFailures": []}


def connections_of(user):
    """The ids of a user's connections."""
    page = {}
    while True:
        page = connections.query(
            IndexName="by-user",
            KeyConditionExpression=Key("user").eq(user),
            **({"ExclusiveStartKey": page["LastEvaluatedKey"]} if page else {}),
        )
        yield from (item["id"] for item in page["Items"])
        if "LastEvaluatedKey" not in page:
            return


def post(connection, told):
    """Send to a connection; forget it if it is gone."""
    try:
        sockets.post_to_connection(ConnectionId=connection, Data=told)
    except sockets.exceptions.GoneException:
        connections.delete_item(Key={"id": connection})


def connect(event, context):
    """`$connect`."""
    user = (event.get("queryStringParameters") or {}).get("user")
    if not user:
        return {"statusCode": 401}
    item = {"id": event["requestContext"]["connectionId"], "user": user}
    connections.put_item(Item={**item, "expires": int(time.time()) + DAY})
    return {"statusCode": 200}


def disconnect(event, context):
    """`$disconnect`."""
    connections.delete_item(Key={"id": event["requestContext"]["connectionId"]})
    return {"statusCode": 200}


def answer(status, body):
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(body),
    }
