"""Assets: window → pure function or SQL → atomic write → metadata."""
