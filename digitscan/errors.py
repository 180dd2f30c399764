"""Every error that digitscan raises on purpose, each with the exit code that the README documents.

A message is one line: what is wrong, with which file, and what to do about it.
"""


class DigitscanError(Exception):
    """Base of all expected errors; `exit_code` is what the command line ends with."""

    exit_code = 1


class UsageError(DigitscanError):
    """The call can't be carried out as it was given (also: a missing optional package)."""

    exit_code = 2


class NoInputError(DigitscanError):
    """Nothing to read was found: no pages for `classify`, no digits for `train` or `evaluate`."""

    exit_code = 3


class ModelError(DigitscanError):
    """The model is missing, damaged, not a digitscan model, or one that unlearned too much."""

    exit_code = 4


class OutputError(DigitscanError):
    """The result can't be written."""

    exit_code = 5


class PageError(DigitscanError):
    """One page can't be read. It becomes a row with status `error`; the run goes on."""

    exit_code = 6


class BusyError(DigitscanError):
    """Another run is writing the same report."""

    exit_code = 7


class Interrupted(DigitscanError):  # noqa: N818 (stopping is no error)
    """The user stopped the command; the message says what was kept."""

    exit_code = 130
