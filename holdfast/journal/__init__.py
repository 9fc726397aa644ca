"""The journal: one total order of commands, kept. See docs/journal.md for the bytes and the rules of recovery."""
