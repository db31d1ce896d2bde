"""The life cycle of the N-board resource, on emulated boards."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from elasticdf.artifact.bitstream import Directive
from elasticdf.artifact.opening import Artifact, open_artifact
from elasticdf.errors import UserError
from elasticdf.runtime.accelerator import Lane
from elasticdf.runtime.failures import BoardError
from elasticdf.runtime.resource import Resource
from elasticdf.runtime.session import open_boards
from tests.runtime_samples import Sample

SAMPLE = Sample(mode="sw")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Resource, Artifact]]:
    artifact = open_artifact(SAMPLE.artifact(tmp_path_factory.mktemp("p")))
    with Resource(open_boards(artifact), stall_seconds=1.0) as resource:
        assert resource.create_memory(0) is None, "no memory before programming"
        resource.program(artifact.binaries, artifact.manifest)
        yield resource, artifact


def test_two_boards_have_one_name_and_joint_figures(loaded: tuple[Resource, Artifact]) -> None:
    resource, artifact = loaded
    platform = artifact.bitstream.platform
    assert (resource.vendor, resource.name) == (platform.vendor, platform.name)
    assert resource.version == platform.version
    assert resource.serial == "EMULATED0000 EMULATED0001"
    assert resource.power_watts() == 50.0
    assert resource.temperature_celsius() == 40.0


def test_memory_indices_span_the_boards(loaded: tuple[Resource, Artifact]) -> None:
    resource, artifact = loaded
    count = len(artifact.binaries[0].xclbin.memories)
    first, second = resource.create_memory(2), resource.create_memory(count + 5)
    assert first is not None
    assert second is not None
    assert (first.place.board, first.place.bank.tag, first.kind) == (0, "HBM[2]", "HBM")
    assert (second.place.board, second.place.bank.tag) == (1, "HBM[5]")
    assert resource.create_memory(3) is None, "an unused bank"
    assert resource.create_memory(2 * count) is None, "beyond the last"


def test_a_full_bank_gives_none(loaded: tuple[Resource, Artifact]) -> None:
    resource, _ = loaded
    memory = resource.create_memory(5)
    assert memory is not None
    everything = memory.create_buffer(memory.size)
    assert everything is not None
    assert memory.create_buffer(1) is None
    everything.release()
    again = memory.create_buffer(1)
    assert again is not None
    again.release()


def test_unknown_directives_are_none(loaded: tuple[Resource, Artifact]) -> None:
    resource, artifact = loaded
    known = artifact.bitstream.kernels[0].directives[0]
    found = resource.create_compute_unit(known)
    assert found is not None
    found.release()
    for directive in (
        Directive(kernel=known.kernel, entry="nothing"),
        Directive(kernel="nothing", entry=known.entry),
        Directive(kernel=f"{known.kernel}:{{nothing}}", entry=known.entry),
    ):
        assert resource.create_compute_unit(directive) is None


def test_a_buffer_on_another_board_is_refused(loaded: tuple[Resource, Artifact]) -> None:
    resource, artifact = loaded
    unit = resource.create_compute_unit(artifact.bitstream.kernels[0].directives[0])
    memory = resource.create_memory(len(artifact.binaries[0].xclbin.memories) + 2)
    assert unit is not None
    assert memory is not None
    buffer = memory.create_buffer(64)
    assert buffer is not None
    with pytest.raises(UserError) as error:
        unit.resolve([buffer, 1])
    assert str(error.value) == (
        f"compute unit {unit.name} is on board 0, the buffer for its argument 0 is on board 1; "
        "use a memory of board 0"
    )
    buffer.release()
    unit.release()


def test_a_buffer_in_a_bank_the_unit_does_not_reach_is_refused(
    loaded: tuple[Resource, Artifact],
) -> None:
    resource, artifact = loaded
    unit = resource.create_compute_unit(artifact.bitstream.kernels[0].directives[0])
    memory = resource.create_memory(5)
    assert unit is not None
    assert memory is not None
    buffer = memory.create_buffer(64)
    assert buffer is not None
    with pytest.raises(
        UserError, match="it is linked to memory 2 of board 0, the buffer is in mem"
    ):
        unit.resolve([buffer, 1])
    buffer.release()
    unit.release()


def test_programming_again_needs_everything_released(loaded: tuple[Resource, Artifact]) -> None:
    resource, artifact = loaded
    memory = resource.create_memory(2)
    assert memory is not None
    held = memory.create_buffer(64)
    assert held is not None
    with pytest.raises(UserError, match="buffers and compute units are in use; release them"):
        resource.program(artifact.binaries, artifact.manifest)
    held.release()
    resource.program(artifact.binaries, artifact.manifest)


def test_another_number_of_boards_is_refused(loaded: tuple[Resource, Artifact]) -> None:
    resource, artifact = loaded
    with pytest.raises(
        UserError, match="the artifact has 1 binaries, resource 2xu280 has 2 boards"
    ):
        resource.program(artifact.binaries[:1], artifact.manifest)


def test_addresses_outside_a_bank_fail_the_run_not_the_board(
    loaded: tuple[Resource, Artifact],
) -> None:
    resource, artifact = loaded
    lane = Lane(resource, artifact.bitstream.kernels[0])
    buffers = [lane.create_buffer(0, 16), lane.create_buffer(1, 16)]
    with pytest.raises(
        BoardError, match=r"board 0 \(u280, emulated\): bytes 0x.* lie in no memory"
    ):
        lane.run([*buffers, 1 << 40])
    resource.recover()
    buffers[0].copy_to_board(SAMPLE.frames(1).astype(np.uint8))
    lane.run([*buffers, 1])
    for buffer in buffers:
        buffer.release()
    lane.release()


def test_a_request_that_stands_still_ends(loaded: tuple[Resource, Artifact]) -> None:
    """The output engine is started alone, as if its input had never come."""
    resource, artifact = loaded
    lane = Lane(resource, artifact.bitstream.kernels[0])
    buffer = lane.create_buffer(1, 16)
    call = next(call for call in lane._calls if call.writes)
    run = call.unit.start(call.unit.resolve([buffer, 1]))
    start = time.monotonic()
    with pytest.raises(
        BoardError, match="resource 2xu280: no progress for 1 s; a compute unit hang"
    ):
        resource.await_runs([run], resource.generation)
    assert 1 < time.monotonic() - start < 10
    resource.recover()
    buffer.release()
    lane.release()
