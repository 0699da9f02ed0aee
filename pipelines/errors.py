"""The one error that the pipelines raise for something a user can mend."""


class UserError(Exception):
    """What happened, and what to do about it, on one line.

    The command line prints it without a traceback and ends with status 2.

    Args:
        message: What happened and what was expected.
        remedy: What to do about it; may be empty.

    Example:

    >>> print(UserError("No such file: a.tsv.", "Check the path."))
    No such file: a.tsv. Check the path.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return " ".join(f"{self.message} {self.remedy}".split())
