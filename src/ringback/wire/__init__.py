"""Pure codecs: bytes in, records out, and back. No sockets, no event loop."""
