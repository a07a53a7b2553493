"""What an application declares: tasks and handlers, what they take, and what they hold."""
