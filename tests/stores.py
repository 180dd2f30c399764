"""A store and a cluster for tests: moto's server stands in for S3, and real processes of Dask read."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "s3://archive"
WORKERS = 4

_KEYS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def s3_server() -> Iterator[str]:
    """An empty bucket in a server, which this process and those that it starts find in their environment."""
    pytest.importorskip("s3fs")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**_KEYS, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
            patch.setenv(name, value)
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir(BUCKET)
        try:
            yield BUCKET
        finally:
            s3fs.S3FileSystem.clear_instance_cache()
            # All servers of a process share what they store.
            urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
            server.stop()


def upload(folder: Path, url: str) -> None:
    import s3fs

    s3fs.S3FileSystem(skip_instance_cache=True).put(str(folder) + "/", url, recursive=True)


def download(url: str) -> dict[str, bytes]:
    """Names and contents of what a folder of the store holds."""
    import s3fs

    store = s3fs.S3FileSystem(skip_instance_cache=True)
    return {path.rsplit("/", 1)[-1]: store.cat_file(path) for path in store.find(url)}


def is_in_store(url: str) -> bool:
    """Whether the store has this object now; what is being written comes and goes."""
    import s3fs

    return bool(s3fs.S3FileSystem(skip_instance_cache=True).exists(url))


@contextmanager
def dask_cluster(folder: Path) -> Iterator[str]:
    """A scheduler, by its address, with `WORKERS` workers that are started again when they die."""
    pytest.importorskip("distributed")
    from distributed import Client

    places = [str(Path(__file__).parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    settings = {
        "PYTHONPATH": os.pathsep.join(filter(None, places)),
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "2",  # The third death of a task is its last.
    }
    common = ["--no-dashboard", "--scheduler-file", str(folder / "scheduler.json")]
    commands = (
        ["dask_scheduler", "--host", "127.0.0.1", "--port", "0"],
        ["dask_worker", "--nworkers", str(WORKERS), "--nthreads", "1", "--local-directory", str(folder)],
    )
    with (folder / "dask.log").open("wb") as log:
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{name}", *options, *common],
                env={**os.environ, **settings},
                stdout=log,
                stderr=log,
            )
            for name, *options in commands
        ]
        try:
            with Client(scheduler_file=str(folder / "scheduler.json"), set_as_default=False, timeout=60) as client:
                client.wait_for_workers(WORKERS, 120)
                address = client.scheduler.address
            yield address
        finally:
            for process in reversed(processes):
                process.terminate()
            for process in processes:
                process.wait(60)


def worker_processes(address: str) -> list[int]:
    """The ids of the processes that read."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        return list(client.run(os.getpid).values())
