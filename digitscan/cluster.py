"""The workers of a Dask cluster, as far as a scan needs them. Needs the extra `cluster`."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from digitscan.errors import DigitscanError, UsageError
from digitscan.pool import Loss, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

Item = TypeVar("Item")

_SECONDS_TO_CONNECT = 20.0
_SECONDS_TO_JOIN = 60.0
"""How long the first worker is waited for: a cluster that grows with its work has none yet."""

_SECONDS_BETWEEN_COUNTS = 2.0

_NOISY = (
    "distributed",
    "distributed.client",
    "distributed.core",
    "distributed.batched",
    "tornado.application",
    "asyncio",
)
"""Loggers that show whole tracebacks of lost connections."""


class Task(Generic[Item]):
    """A call that was handed to the cluster."""

    def __init__(self, future: Any, address: str) -> None:
        self._future = future
        self._address = address

    def result(self) -> Outcome[Item]:
        """What it gave, or that it was lost: as often as the scheduler allows, its worker died while it had it.

        Raises DigitscanError where the scheduler is gone, and what the call itself raised.
        """
        from distributed import CancelledError, KilledWorker
        from distributed.comm import CommClosedError

        try:
            return Outcome(self._future.result())
        except KilledWorker:
            return Outcome([], Loss.DEATH)
        except RuntimeError as error:
            if "deserialization" not in str(error):
                raise
            raise DigitscanError(
                f"the workers of {self._address} can't load digitscan; install the same version on all"
            ) from error
        except (CancelledError, CommClosedError) as error:
            raise DigitscanError(
                f"the connection to the scheduler {self._address} is lost; start it again, and go on with --resume"
            ) from error


class Cluster:
    """The workers of one scheduler, for the time of a block.

    When the block is left, what hasn't begun is dropped. Where a worker dies, what it had is begun again by another.

    Raises:
        UsageError: Dask isn't installed.
        DigitscanError: There is no scheduler at this address, or it has no workers.
    """

    def __init__(self, address: str) -> None:
        """`address` is the scheduler's, such as tcp://host:8786."""
        self._address = address
        self._count = 0
        self._counted = 0.0

    def __enter__(self) -> Self:
        try:
            from distributed import Client
        except ImportError as error:
            raise UsageError(f"--scheduler needs Dask: pip install 'digitscan[cluster]' ({error})") from error
        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # One line says what is wrong: ours.
        try:
            self._client = Client(self._address, timeout=_SECONDS_TO_CONNECT, set_as_default=False, name="digitscan")
        except (OSError, ValueError) as error:
            raise DigitscanError(f"no scheduler answers at {self._address}; start one with: dask scheduler") from error
        try:
            self._client.wait_for_workers(1, _SECONDS_TO_JOIN)
        except TimeoutError as error:
            self._client.close()
            raise DigitscanError(
                f"{self._address} has no workers; start some with: dask worker {self._address} --nthreads 1"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def count(self) -> int:
        """How many workers there are, as of some seconds ago at most."""
        now = time.monotonic()
        if now - self._counted > _SECONDS_BETWEEN_COUNTS:
            self._counted = now
            self._count = int(self._client.scheduler_info(n_workers=0)["n_workers"])
        return self._count

    def share(self, value: object) -> object:
        """A stand-in for a value among the arguments of tasks: each worker is sent the value once."""
        return self._client.submit(_same, value, pure=False)

    def submit(self, task: Callable[..., list[Item]], *arguments: object) -> Task[Item]:
        """Run `task(*arguments)`, which must come out the same wherever and however often it is run."""
        return Task(self._client.submit(task, *arguments, pure=False), self._address)


def _same(value: object) -> object:
    return value
