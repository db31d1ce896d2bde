"""The server: gRPC on ``DIR/run/coral.sock`` for the clients of one user.

One lock per folder, so that two servers never share it; a socket left by a killed server is taken
over. Errors go back as gRPC statuses. Refuses folders of other users.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from elasticdf.artifact.opening import Artifact, open_artifact
from elasticdf.errors import UserError
from elasticdf.records import encode
from elasticdf.runtime.accelerator import Lane
from elasticdf.runtime.coral.cube import CubeFolder
from elasticdf.runtime.coral.gather import Context
from elasticdf.runtime.coral.http2 import Call, Status
from elasticdf.runtime.coral.listener import Listener
from elasticdf.runtime.coral.protocol import (
    METHOD,
    Request,
    parse_request,
    safe_message,
    without_number,
)
from elasticdf.runtime.coral.service import (
    Accelerator,
    ChainAccelerator,
    LaneAccelerator,
    UnknownAcceleratorError,
)
from elasticdf.runtime.failures import BoardError
from elasticdf.runtime.garbage import keep_what_is_loaded
from elasticdf.runtime.loading import load
from elasticdf.runtime.pipeline import Step, stream_arguments
from elasticdf.runtime.resource import Resource
from elasticdf.runtime.session import STALL_SECONDS, open_boards

SERVE_SCHEMA = "elasticdf.serve/1"
SOCKET_LIMIT = 107
"""Bytes of a unix socket's path."""

_WORKERS = 64
_SHORT_BYTES = 1024
_MOST_PREPARED = 4096
"""Short calls whose meaning is kept: a client that uses its arrays again asks the same."""

_STOP_SECONDS = 5.0

_STATUSES: Mapping[type[Exception], Status] = {
    UnknownAcceleratorError: Status.NOT_FOUND,
    BoardError: Status.INTERNAL,
    UserError: Status.INVALID_ARGUMENT,
    Exception: Status.UNKNOWN,
}
"""The nearest kind comes first."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeReport:
    """What is served, known when the server is ready.

    Attributes:
        socket: Path of the socket.
        root: What the client's variable INACCEL must be set to.
        accelerators: Names requests can use.
        resources: Name of every artifact's resource.
    """

    socket: str
    root: str
    accelerators: tuple[str, ...]
    resources: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"schema": SERVE_SCHEMA, **encode(self)}


def accelerators_of(
    artifact: Artifact, resource: Resource, context: Context
) -> dict[str, Accelerator]:
    """Return the accelerators of a programmed artifact by public name."""
    bitstream, manifest = artifact.bitstream, artifact.manifest
    found: dict[str, Accelerator] = {}
    steps: dict[int, list[Step]] = {}
    for kernel_id in dict.fromkeys(kernel.kernel_id for kernel in bitstream.kernels):
        kernels = [kernel for kernel in bitstream.kernels if kernel.kernel_id == kernel_id]
        lanes = [Lane(resource, kernel) for kernel in kernels]
        streams = stream_arguments(manifest.deployment, kernels[0]) if manifest else ()
        name = f"{bitstream.bitstream_id}.{kernel_id}"
        found[name] = LaneAccelerator(name, resource, lanes, streams, context)
        for replica, lane in enumerate(lanes):
            if manifest is not None:
                number = len(steps.get(replica, []))
                mine = stream_arguments(manifest.deployment, lane.kernel)
                step = Step(lane=lane, replica=replica, number=number, streams=mine)
                steps.setdefault(replica, []).append(step)
    if manifest is not None and manifest.deployment.mode == "sw":
        name = f"{bitstream.bitstream_id}.{manifest.deployment.network}"
        replicas = [tuple(mine) for mine in steps.values()]
        found.setdefault(name, ChainAccelerator(name, resource, replicas, context))
    return found


def _open_all(paths: Sequence[Path]) -> tuple[Artifact, ...]:
    """Open the artifacts; refuse two that hold the same accelerator."""
    artifacts, owners = [], dict[str, Path]()
    for path in paths:
        artifact = open_artifact(path)
        for kernel_id in sorted({kernel.kernel_id for kernel in artifact.bitstream.kernels}):
            name = f"{artifact.bitstream.bitstream_id}.{kernel_id}"
            if name in owners:
                raise UserError(
                    f"{owners[name]} and {path} both hold accelerator {name}; serve one of them, "
                    "or package one with another id"
                )
            owners[name] = path
        artifacts.append(artifact)
    return tuple(artifacts)


@dataclass(frozen=True, slots=True)
class _Reply:
    """Tells a client how its call ended."""

    call: Call

    def settle(self, error: Exception | None) -> None:
        """Answer the call; `flush` sends the answer."""
        if error is None:
            self.call.settle()
            return
        kinds = (kind for kind in _STATUSES if isinstance(error, kind))
        status = _STATUSES[next(kinds, Exception)]
        if status is Status.UNKNOWN:
            log.error("a request failed", exc_info=error)
        self.call.settle(status, safe_message(str(error)))

    def flush(self) -> None:
        """Send it."""
        self.call.flush()


def _serve(accelerator: Accelerator, request: Request, reply: _Reply) -> None:
    try:
        accelerator.serve(request)
    except Exception as error:  # noqa: BLE001 - it is told to the client
        reply.settle(error)
    else:
        reply.settle(None)
    reply.flush()


def _check_length(socket: Path) -> None:
    if len(os.fsencode(socket)) > SOCKET_LIMIT:
        raise UserError(
            f"the socket's path {socket} has more than {SOCKET_LIMIT} bytes, which unix "
            "sockets cannot have; choose a shorter --root"
        )


class Server:
    """A running server.

    Args:
        artifacts: What to serve; each gets boards of its own.
        root: Folder with ``run`` and ``shm``; made if missing.
        threads: onnxruntime may use so many per emulated board.
        stall_seconds: A request without any progress for so long has failed.

    Attributes:
        resources: One per artifact.
        report: What is served.

    Raises:
        UserError: The folder cannot be used, or two artifacts hold the same accelerator.
        BoardError: A board or a link failed while being set up.
    """

    def __init__(
        self,
        artifacts: Sequence[Path],
        root: Path,
        *,
        threads: int = 1,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._stack = ExitStack()
        self._accelerators: dict[str, Accelerator] = {}
        resources: list[Resource] = []
        socket = root / "run" / "coral.sock"
        _check_length(socket)
        opened = _open_all(artifacts)  # a wrong one leaves no folders behind
        with ExitStack() as stack:
            shm = stack.enter_context(_folders(root))
            cubes = CubeFolder(shm)
            stack.callback(cubes.close)
            context = Context(cubes=cubes)
            for artifact in opened:
                boards = open_boards(artifact, threads)
                resource = stack.enter_context(Resource(boards, stall_seconds))
                load(resource, artifact)
                self._accelerators.update(accelerators_of(artifact, resource, context))
                resources.append(resource)
            self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="request")
            self._prepared = lru_cache(_MOST_PREPARED)(self._prepare)
            self._listener = Listener(socket, METHOD, self._take)
            self._stack = stack.pop_all()
        self.resources = tuple(resources)
        self.report = ServeReport(
            socket=str(socket),
            root=str(root),
            accelerators=tuple(sorted(self._accelerators)),
            resources=tuple(resource.name for resource in resources),
        )

    def _take(self, call: Call) -> None:
        """Take a call in the listener's thread: queue it, or hand it to a thread of its own."""
        reply = _Reply(call)
        try:
            if len(call.content) > _SHORT_BYTES:
                self._prepare(call.content)(reply)
            else:
                self._prepared(without_number(call.content))(reply)
        except Exception as error:  # noqa: BLE001 - it is told to the client
            reply.settle(error)

    def _prepare(self, content: bytes) -> Callable[[_Reply], None]:
        """Return what serves a call; calls of the same bytes are served by the same."""
        request = parse_request(content)
        accelerator = self._accelerator(request.accelerator)
        return accelerator.small(request) or partial(self._hand_on, accelerator, request)

    def _hand_on(self, accelerator: Accelerator, request: Request, reply: _Reply) -> None:
        self._workers.submit(_serve, accelerator, request, reply)

    def _accelerator(self, name: str) -> Accelerator:
        accelerator = self._accelerators.get(name)
        if accelerator is None:
            raise UnknownAcceleratorError(
                f"accelerator {name} is not served here; served are "
                f"{', '.join(sorted(self._accelerators))}"
            )
        return accelerator

    def close(self) -> None:
        """Stop serving; requests under way get a moment to end."""
        self._listener.close(_STOP_SECONDS)
        self._workers.shutdown(wait=False, cancel_futures=True)
        for accelerator in self._accelerators.values():
            accelerator.close()
        self._stack.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _folders(root: Path) -> Iterator[Path]:
    """Make ``run`` and ``shm`` for this user alone, hold them against another server; yield shm."""
    paths = (root / "run", root / "shm")
    try:
        for path in paths:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.stat().st_uid != os.geteuid():
                raise UserError(f"{path} belongs to another user; choose another --root")
            path.chmod(0o700)
        lock = os.open(paths[0] / "coral.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UserError(f"cannot use {root}: {error.strerror}; choose another --root") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield paths[1]
    except BlockingIOError as error:
        raise UserError(
            f"another server is using {root}; stop it or choose another --root"
        ) from error
    finally:
        os.close(lock)


def serve(
    artifacts: Sequence[Path],
    root: Path,
    ready: Callable[[ServeReport], None],
    *,
    threads: int = 1,
    stall_seconds: float = STALL_SECONDS,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        artifacts: What to serve.
        root: Folder with ``run`` and ``shm``.
        ready: Called once requests are answered.
        threads: onnxruntime may use so many per emulated board.
        stall_seconds: A request without any progress for so long has failed.
    """
    stopped = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stopped.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with Server(artifacts, root, threads=threads, stall_seconds=stall_seconds) as server:
            keep_what_is_loaded()
            ready(server.report)
            stopped.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
