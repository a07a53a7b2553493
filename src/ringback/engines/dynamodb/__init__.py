"""The engine on AWS: one table of DynamoDB, with S3 for what is large and SQS for work."""
