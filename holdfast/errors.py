"""Failures that more than one stage knows, each with a sentence for the person who meets it."""


class StartError(Exception):
    """The venue cannot start, and nothing was touched. The text is a whole sentence that says what to do.

    The command line prints it and exits with 1; nobody else catches it.
    """


class JournalUnavailableError(Exception):
    """The journal takes nothing now, and nothing of what was handed over. `reason` is a sentence for people.

    It stands here, since gateways answer it and may not know the journal.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
