"""Events to the letter, as AWS sends them."""

from typing import Any


def http(method: str, path: str, body: str | None = None, **headers: str) -> dict[str, Any]:
    """An event of an HTTP API."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "localhost", "content-type": "application/json", **headers},
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": "127.0.0.1"},
            "stage": "$default",
            "domainName": "localhost",
        },
        "body": body,
        "isBase64Encoded": False,
    }


def sns(topic: str, message: str, id: str = "m1", subject: str | None = None) -> dict[str, Any]:
    """A message of an SNS topic."""
    return {
        "Records": [
            {
                "EventVersion": "1.0",
                "EventSubscriptionArn": f"arn:aws:sns:eu-central-1:123456789012:{topic}:1",
                "EventSource": "aws:sns",
                "Sns": {
                    "SignatureVersion": "1",
                    "Timestamp": "2030-01-02T12:45:07.000Z",
                    "MessageId": id,
                    "Message": message,
                    "MessageAttributes": {},
                    "Type": "Notification",
                    "TopicArn": f"arn:aws:sns:eu-central-1:123456789012:{topic}",
                    "Subject": subject,
                },
            }
        ]
    }


def bus(type: str, detail: Any, id: str = "e1", source: str = "shop.orders") -> dict[str, Any]:
    """An event of an EventBridge bus."""
    return {
        "version": "0",
        "id": id,
        "detail-type": type,
        "source": source,
        "account": "123456789012",
        "time": "2030-01-02T12:45:07Z",
        "region": "eu-central-1",
        "resources": [],
        "detail": detail,
    }


def s3(bucket: str, key: str) -> dict[str, Any]:
    """An object that was put into a bucket; its key as it stands in a URL."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "eu-central-1",
                "eventTime": "2030-01-02T12:45:07.000Z",
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
                    "object": {"key": key, "size": 3, "eTag": "x", "sequencer": "0A1B"},
                },
            }
        ]
    }


def authorizer(**headers: str) -> dict[str, Any]:
    """What a REQUEST authorizer of ``$connect`` is asked."""
    arn = "arn:aws:execute-api:eu-central-1:123456789012:ws1234/live/$connect"
    return {
        "type": "REQUEST",
        "methodArn": arn,
        "headers": {"Host": "localhost", **headers},
        "queryStringParameters": {},
        "stageVariables": {},
        "requestContext": {
            "routeKey": "$connect",
            "eventType": "CONNECT",
            "connectionId": "c1",
            "identity": {"sourceIp": "127.0.0.1"},
            "stage": "live",
            "domainName": "localhost",
            "apiId": "ws1234",
        },
    }
