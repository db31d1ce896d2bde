"""The exception tree: what went wrong decides the exit code, nothing else does.

A message names what is wrong, where, what was found, what is allowed and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar


class ElasticDFError(Exception):
    """Base of every error this project raises on purpose."""

    exit_code: ClassVar[int] = 1


class UserError(ElasticDFError):
    """The input or the request must change; shown as one message, without a traceback."""

    exit_code: ClassVar[int] = 2


class InfeasibleError(ElasticDFError):
    """The request is proven to have no answer.

    Attributes:
        explanation: The JSON form of the conflict, the shortfall and the remedies (may be empty).
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, explanation: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.explanation: Mapping[str, Any] = explanation or {}


class TimeLimitError(ElasticDFError):
    """The time limit ended the search before any answer was found."""

    exit_code: ClassVar[int] = 4


class InternalError(ElasticDFError):
    """A bug of ours: an invariant that input cannot break was broken."""


@contextmanager
def located(where: str) -> Iterator[None]:
    """Put a place in front of the message of a user error that does not know where it arose.

    Raises:
        UserError: As raised inside, with the place.
    """
    try:
        yield
    except UserError as error:
        raise type(error)(f"{where}: {error}") from error
