"""Functions: processes of the Lambda runtime client, each against a Runtime API of its own."""
