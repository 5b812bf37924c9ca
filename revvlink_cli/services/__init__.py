"""Jobs with I/O above the client."""
