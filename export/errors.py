"""What writing, verifying and running artifacts raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from export.report import Report


class ExportError(Exception):
    """Something a user can mend: what happened, and the remedy.

    Args:
        message: What happened and what was expected, in one sentence or two.
        remedy: What to do about it; may be empty.

    Example:

    >>> print(ExportError("No such file: m.tflite.", "Check the path."))
    No such file: m.tflite. Check the path.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class VerificationError(ExportError):
    """An artifact that does not answer as its model does.

    Args:
        message, remedy: As of an `ExportError`.
        report: What was compared, with every answer that differs.
    """

    def __init__(self, message: str, remedy: str, report: Report) -> None:
        super().__init__(message, remedy)
        self.report = report
