"""The pure core: records, the lifecycle, retry, topics, access. No I/O, clock or randomness."""
