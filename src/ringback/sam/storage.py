"""What is kept: the table, the bucket, and the two places where others are told, bus and topic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ringback.engines.dynamodb import schema
from ringback.sam import policies
from ringback.sam.alarms import alarm
from ringback.sam.parameters import origins, own_origin
from ringback.sam.yaml import Note, Tag, ref, sub, when

Resources = Iterator[tuple[str, Any]]

STALE_PARTS_DAYS = 7
"""After which the pieces of an upload that was never completed are deleted."""


def table() -> Resources:
    yield (
        "Table",
        Note(
            {
                "Type": "AWS::DynamoDB::Table",
                # `ringback aws destroy` takes the protection away first.
                "DeletionPolicy": "Delete",
                "UpdateReplacePolicy": "Retain",
                "Properties": {
                    **_definition(),
                    "TimeToLiveSpecification": schema.time_to_live(),
                    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                    "SSESpecification": {"SSEEnabled": True},
                    "DeletionProtectionEnabled": ref("DeletionProtection"),
                },
            },
            above="The truth: operations, their logs, topics, connections. Queues, streams and "
            "pushes are hints; what they lose is found here.",
            inside=("checkov:skip=CKV_AWS_119:Encrypted with the key that AWS manages for it.",),
        ),
    )
    for kind in ("Read", "Write"):
        yield alarm(
            f"Table{kind}Throttles",
            "The table refused requests: a partition is hot, or the account's limit is reached.",
            "AWS/DynamoDB",
            f"{kind}ThrottleEvents",
            {"TableName": ref("Table")},
        )


def _definition() -> dict[str, Any]:
    """The table as its engine wants it. CloudFormation names it, and has no word for a stream's
    being there.
    """
    definition = schema.table("")
    del definition["TableName"], definition["StreamSpecification"]["StreamEnabled"]
    return definition


def bucket() -> Resources:
    yield (
        "Files",
        Note(
            {
                "Type": "AWS::S3::Bucket",
                "DeletionPolicy": "Delete",
                "UpdateReplacePolicy": "Retain",
                "Properties": {
                    "BucketName": sub(policies.FILES),
                    "PublicAccessBlockConfiguration": {
                        "BlockPublicAcls": True,
                        "BlockPublicPolicy": True,
                        "IgnorePublicAcls": True,
                        "RestrictPublicBuckets": True,
                    },
                    "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                    "BucketEncryption": {
                        "ServerSideEncryptionConfiguration": [
                            {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
                        ]
                    },
                    "CorsConfiguration": {"CorsRules": [_cors_rule()]},
                    "LifecycleConfiguration": {
                        "Rules": [
                            {
                                "Id": "stale-parts",
                                "Status": "Enabled",
                                "AbortIncompleteMultipartUpload": {
                                    "DaysAfterInitiation": STALE_PARTS_DAYS
                                },
                            },
                            when(
                                "ExpiresPayloads",
                                {
                                    "Id": "old-payloads",
                                    "Status": "Enabled",
                                    "Prefix": policies.PAYLOADS,
                                    "ExpirationInDays": ref("PayloadDays"),
                                },
                            ),
                        ]
                    },
                },
            },
            above="What is too large for an item of the table, and uploads. Ringback deletes what "
            "is past its retention; PayloadDays is for what a crash left behind.",
            inside=(
                "checkov:skip=CKV_AWS_18:Who reads is in the functions' logs; another bucket of "
                "logs would cost more than this one.",
                "checkov:skip=CKV_AWS_21:What was deleted is to be gone: it is past its retention.",
            ),
        ),
    )
    yield (
        "FilesPolicy",
        {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": ref("Files"),
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Sid": "TlsOnly",
                            "Effect": "Deny",
                            "Principal": "*",
                            "Action": "s3:*",
                            "Resource": [sub(policies.FILES_ARN), sub(f"{policies.FILES_ARN}/*")],
                            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                        }
                    ],
                },
            },
        },
    )


def bus() -> Resources:
    yield (
        "Bus",
        Note(
            {"Type": "AWS::Events::EventBus", "Properties": {"Name": sub("${AWS::StackName}")}},
            above="Where emitted events are told to others, and theirs come from.",
        ),
    )


def topic() -> Resources:
    yield (
        "Topic",
        Note(
            {
                "Type": "AWS::SNS::Topic",
                "Properties": {"KmsMasterKeyId": "alias/aws/sns"},
            },
            above="Where other functions tell what they did with a file: upload, function, this "
            "topic, EventsFunction, and whoever follows is told.",
        ),
    )
    yield "TopicPolicy", _topic_policy("Topic")


def alarms() -> Resources:
    yield (
        "Alarms",
        Note(
            {"Type": "AWS::SNS::Topic", "Properties": {}},
            above="Who is told of alarms.",
            inside=(
                "checkov:skip=CKV_AWS_26:CloudWatch cannot publish by the key that AWS manages for "
                "SNS, and alarms hold nothing of anybody.",
            ),
        ),
    )
    # Of the whole account, as its environments are: who runs short is not who took them.
    yield alarm(
        "Throttles",
        "Functions of this account were refused environments: raise its concurrency.",
        "AWS/Lambda",
        "Throttles",
        {},
    )
    yield (
        "AlarmSubscription",
        {
            "Type": "AWS::SNS::Subscription",
            "Condition": "HasAlarmEmail",
            "Properties": {
                "TopicArn": ref("Alarms"),
                "Protocol": "email",
                "Endpoint": ref("AlarmEmail"),
            },
        },
    )


def _topic_policy(name: str) -> dict[str, Any]:
    return {
        "Type": "AWS::SNS::TopicPolicy",
        "Properties": {
            "Topics": [ref(name)],
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": "TlsOnly",
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "sns:Publish",
                        "Resource": ref(name),
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    },
                    {
                        "Sid": "OfThisAccount",
                        "Effect": "Allow",
                        "Principal": {
                            "AWS": sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")
                        },
                        "Action": "sns:Publish",
                        "Resource": ref(name),
                    },
                ],
            },
        },
    }


def _cors_rule() -> dict[str, Any]:
    """Pages that may send files: the API's own, and those of the parameter."""
    return {
        "AllowedMethods": ["GET", "HEAD", "PUT"],
        "AllowedOrigins": when("HasCors", Tag("Split", [",", origins()]), [own_origin()]),
        "AllowedHeaders": ["*"],
        "ExposedHeaders": ["ETag"],
        "MaxAge": 600,
    }
