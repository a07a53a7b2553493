"""What calls functions without being asked over HTTP: queues, streams, buses, topics, schedules."""
