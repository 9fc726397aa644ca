"""The line: the binary way into the venue, for clients that count in microseconds. docs/line.md is its page."""
