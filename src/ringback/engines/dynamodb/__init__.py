"""The engine on AWS: one table of DynamoDB, with S3 for what is large and SQS for work."""

from ringback.engines.dynamodb.engine import DynamoEngine

__all__ = ["DynamoEngine"]
