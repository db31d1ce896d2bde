"""N boards as one resource: what an orchestrator's runtime offers, with its life cycle.

Create, program, then memories, buffers and compute units, released before the next programming.
None is the specification's NULL ("there is none"), an exception its failure. A resource that failed
refuses requests until it is recovered.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

from elasticdf.artifact.axlf import Xclbin
from elasticdf.artifact.bitstream import Directive, platform_name, platform_version
from elasticdf.artifact.deployment import Deployment
from elasticdf.artifact.manifest import Manifest
from elasticdf.artifact.opening import Binary
from elasticdf.artifact.sections import IpType
from elasticdf.errors import UserError
from elasticdf.runtime.board import Board, Run
from elasticdf.runtime.failures import BoardError
from elasticdf.runtime.memory import Topology
from elasticdf.runtime.objects import ComputeUnit, Memory
from elasticdf.runtime.vnx import LivePort, link_down_error, live_ports, ports_down, set_up_network

WATCH_SECONDS = 0.25
"""How often a waiting request looks at links and progress."""

_POLL_SECONDS = 0.02

log = logging.getLogger(__name__)


class Resource:
    """Several boards that behave as one accelerator.

    Args:
        boards: In the order of the artifact's binaries.
        stall_seconds: A request without any progress for so long has failed.
    """

    def __init__(self, boards: Sequence[Board], stall_seconds: float = 30.0) -> None:
        self.boards = tuple(boards)
        self.stall_seconds = stall_seconds
        self._binaries: tuple[Binary, ...] = ()
        self._deployment: Deployment | None = None
        self._ids: tuple[int, ...] = ()
        self._ports: tuple[LivePort, ...] = ()
        self._topology = Topology(())
        self._objects = 0
        self._lock = threading.Lock()
        self._recovering = threading.Lock()
        self._failure: BoardError | None = None
        self._lost: dict[int, int] = {}
        self.generation = 0

    @property
    def vendor(self) -> str:
        """Vendor of the first board."""
        return self.boards[0].vendor

    @property
    def name(self) -> str:
        """``2xu280``."""
        return platform_name(board.name for board in self.boards)

    @property
    def version(self) -> str:
        """Shell of the boards."""
        return platform_version(board.shell for board in self.boards)

    @property
    def serial(self) -> str:
        """Serial numbers with a space between them."""
        return " ".join(board.serial for board in self.boards)

    def power_watts(self) -> float:
        """Return the sum over the boards."""
        return sum(board.power_watts() for board in self.boards)

    def temperature_celsius(self) -> float:
        """Return the mean over the boards."""
        return sum(board.temperature_celsius() for board in self.boards) / len(self.boards)

    def count_object(self, change: int) -> None:
        """Keep count of buffers and compute units that are not released."""
        with self._lock:
            self._objects += change

    def program(self, binaries: Sequence[Binary], manifest: Manifest | None) -> None:
        """Load one binary per board and set the network up.

        Raises:
            UserError: Buffers or compute units are still in use, or the binaries are not for
                these boards.
            BoardError: A board or a link failed.
        """
        if self._objects:
            raise UserError(
                f"{self._objects} buffers and compute units are in use; release them before "
                "programming again"
            )
        if len(binaries) != len(self.boards):
            raise UserError(
                f"the artifact has {len(binaries)} binaries, resource {self.name} has "
                f"{len(self.boards)} boards; use an artifact made for it"
            )
        self._binaries = tuple(binaries)
        self._deployment = manifest.deployment if manifest else None
        ids = [entry.board for entry in manifest.entries] if manifest else range(len(binaries))
        self._ids = tuple(ids)
        with ThreadPoolExecutor(len(self.boards)) as pool:
            jobs = [
                pool.submit(board.program, binary.xclbin, self._deployment, number)
                for board, binary, number in zip(self.boards, binaries, self._ids, strict=True)
            ]
            for job in jobs:
                job.result()
        self._topology = Topology.of(binary.xclbin.memories for binary in binaries)
        xclbins = {n: binary.xclbin for n, binary in zip(self._ids, binaries, strict=True)}
        self._ports = live_ports(self._deployment, self._by_id, xclbins)
        self._begin_life()

    def _begin_life(self) -> None:
        """Set the network up and forget what failed before."""
        set_up_network(self._ports)
        self._lost = self._lost_frames()
        self._failure = None
        self.generation += 1

    @property
    def _by_id(self) -> dict[int, Board]:
        return dict(zip(self._ids, self.boards, strict=True))

    def board(self, number: int) -> Board:
        """Return the programmed board that the manifest calls by this id."""
        return self._by_id[number]

    def create_memory(self, index: int) -> Memory | None:
        """Return the memory with an index over all boards.

        None before programming, beyond the last bank, and for a bank no kernel uses.
        """
        place = self._topology.place(index)
        return Memory(self, index, place) if place is not None and place.bank.used else None

    def create_compute_unit(self, directive: Directive) -> ComputeUnit | None:
        """Return the compute unit a directive names, or None if there is none."""
        for board, binary in enumerate(self._binaries):
            if binary.name == directive.entry:
                return self._compute_unit(board, binary.xclbin, directive)
        return None

    def _compute_unit(self, board: int, xclbin: Xclbin, directive: Directive) -> ComputeUnit | None:
        for number, ip in enumerate(xclbin.ips):
            unit = directive.compute_unit or ip.compute_unit
            if ip.type == IpType.KERNEL and (ip.kernel, ip.compute_unit) == (
                directive.function,
                unit,
            ):
                banks = {c.argument: c.memory for c in xclbin.connections if c.ip == number}
                return ComputeUnit(self, board, ip, banks)
        return None

    def raise_failure(self) -> None:
        """Raise what stopped the resource, if anything did.

        Raises:
            BoardError: A board or a link failed since the last recovery.
        """
        if self._failure is None:
            for board in self.boards:
                if board.failure is not None:
                    self.fail(board.failure)
                    break
        if self._failure is not None:
            raise BoardError(str(self._failure), board=self._failure.board, link=self._failure.link)

    def fail(self, error: BoardError, generation: int | None = None) -> None:
        """Declare everything under way void until `recover`.

        Args:
            error: What happened.
            generation: In which life of the resource it happened; one that is over is not hurt.
        """
        with self._lock:
            if self._failure is None and generation in (None, self.generation):
                self._failure = error
                log.warning("%s", error)

    def await_runs(self, runs: Sequence[Run], generation: int) -> None:
        """Wait until every run ended, as long as anything moves.

        Args:
            runs: Of one request.
            generation: The resource's when they were started.

        Raises:
            BoardError: A board or a link failed, frames were lost, or nothing moves any more.
        """
        watch = _Watch(self)
        try:
            for run in runs:
                while not run.wait(_POLL_SECONDS):
                    self.raise_failure()
                    watch.look()
            self._check_lost()
        except BoardError as error:
            self.fail(
                error, generation
            )  # the other compute units of the request may now wait for ever
            raise
        self.raise_failure()

    def look_at_links(self) -> None:
        """Fail if a MAC sees no link."""
        down = ports_down(self._ports)
        if down:
            raise link_down_error(down[0])

    def _lost_frames(self) -> dict[int, int]:
        """Return the frames lost on each link, by its id; only receiving boards are asked."""
        links = self._deployment.links if self._deployment else ()
        receiving = sorted({link.target_board for link in links})
        return {
            count.link: count.lost_frames
            for number in receiving
            for count in self._by_id[number].link_counts()
            if not count.sending
        }

    def _check_lost(self) -> None:
        """Refuse results of a stream that lost frames: later ones took their places."""
        for link, lost in self._lost_frames().items():
            if lost != self._lost.get(link, 0):
                raise self._link_error(link, f"{lost} frames are lost")

    def _link_error(self, link: int, what: str) -> BoardError:
        assert self._deployment is not None, "links come from the deployment"
        stream = next(entry for entry in self._deployment.links if entry.id == link)
        return BoardError(
            f"link {link} (board {stream.source_board} port {stream.source_qsfp} to board "
            f"{stream.target_board} port {stream.target_qsfp}): {what}",
            board=stream.target_board,
            link=link,
        )

    def stall_error(self) -> BoardError:
        """Return the error for a request that stands still, naming the link that does."""
        for link, group in groupby(
            sorted((c for b in self.boards for c in b.link_counts()), key=lambda c: c.link),
            key=lambda c: c.link,
        ):
            sent = sum(c.frames if c.sending else -c.frames for c in group)
            if sent:
                return self._link_error(link, f"{sent} frames left and did not arrive")
        return BoardError(
            f"resource {self.name}: no progress for {self.stall_seconds:g} s; a compute unit hangs"
        )

    def recover(self) -> None:
        """Make a failed resource usable again; does nothing if it has not failed.

        Raises:
            BoardError: It cannot be.
        """
        with self._recovering:
            try:
                self.raise_failure()
            except BoardError:
                for board in self.boards:
                    board.reset()
                self._begin_life()

    def close(self) -> None:
        """Give the boards up."""
        for board in self.boards:
            board.close()

    def __enter__(self) -> Resource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Watch:
    """Looks at links and progress from time to time while a request waits."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._looked = self._moved = time.monotonic()
        self._progress: tuple[int, ...] = ()

    def look(self) -> None:
        """Fail the resource if a link is down or nothing has moved for too long."""
        now = time.monotonic()
        if now - self._looked < WATCH_SECONDS:
            return
        self._looked = now
        self._resource.look_at_links()
        progress = tuple(board.progress() for board in self._resource.boards)
        if progress != self._progress:
            self._progress, self._moved = progress, now
        elif now - self._moved > self._resource.stall_seconds:
            raise self._resource.stall_error()
