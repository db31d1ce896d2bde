from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from codegen.bundle.emulation import emulation_binary
from codegen.bundle.host import emit_host
from codegen.bundle.kernels import stream_type
from codegen.bundle.pack import Labels, package
from elasticdf.artifact import tarwalk
from elasticdf.artifact.axlf import parse
from elasticdf.artifact.bitstream import Argument, Bitstream, Directive, KernelObject
from elasticdf.artifact.deployment import Deployment
from elasticdf.artifact.emulation import segments_of
from elasticdf.artifact.lint import lint
from elasticdf.artifact.manifest import Loader
from elasticdf.artifact.opening import Artifact, open_artifact
from elasticdf.artifact.sections import Control
from elasticdf.errors import UserError
from elasticdf.hardware.load import board_names, load_board
from elasticdf.ir import Graph, HostModel
from tests.artifact_samples import BOARD, MODES, deployment, port, write_project
from tests.original_loader import Resource


def packaged(folder: Path, sample: Deployment, loader: Loader = Loader.ELASTICDF) -> Artifact:
    release = "original" if loader is Loader.ORIGINAL else "current"
    project = write_project(folder / "project", sample, release=release)
    return open_artifact(package(project, loader=loader).folder)


def load(artifact: Artifact) -> Resource:
    resource = Resource()
    assert resource.program(artifact.archive.read()) == 0
    return resource


@pytest.mark.parametrize("mode", MODES)
def test_the_original_loader_finds_every_kernel_and_memory(mode: str, tmp_path: Path) -> None:
    sample = deployment(mode, replicas=1 if mode in ("hw", "tmp") else 2)
    artifact = packaged(tmp_path, sample, Loader.ORIGINAL)
    resource = load(artifact)
    assert [device.name for device in resource.devices] == ["board0.xclbin", "board1.xclbin"]
    assert resource.network_up == (mode in ("hw", "tmp"))
    streams = {stream.dma: stream for stream in sample.host}
    seen = set()
    for kernel in artifact.bitstream.kernels:
        for unit, directive in enumerate(kernel.directives):
            found = resource.compute_unit(str(directive))
            assert found is not None
            stream = streams[found[1].partition(":")[2]]
            assert found[0] == stream.board
            (array,) = [kernel.arguments[o] for _, o in kernel.call_of(unit) if _ == 0]
            assert array.memory is not None
            assert resource.memory(array.memory) == (stream.board, stream.memory)
            seen.add(stream.dma)
    assert seen == set(streams)
    assert lint(artifact.folder).accepted(Loader.ORIGINAL)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("count", [1, 3, 4])
def test_other_numbers_of_boards(mode: str, count: int, tmp_path: Path) -> None:
    artifact = packaged(tmp_path, deployment(mode, count))
    assert len(artifact.binaries) == count
    assert artifact.bitstream.platform.name == f"{count}x{BOARD}"
    report = lint(artifact.folder)
    assert [f for f in report.findings if f.concerns(Loader.ELASTICDF)] == []
    assert not report.accepted(Loader.ORIGINAL)


def test_software_mode_has_one_request_per_step(tmp_path: Path) -> None:
    names = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "11")
    artifact = packaged(tmp_path, deployment("sw", 11))
    ids = [kernel.kernel_id for kernel in artifact.bitstream.kernels]
    assert ids == [f"tiny-{name}" for name in names]


def test_replicas_share_one_id(tmp_path: Path) -> None:
    artifact = packaged(tmp_path, deployment("hw", replicas=3))
    assert [kernel.kernel_id for kernel in artifact.bitstream.kernels] == ["tiny"] * 3
    assert artifact.folder.name == "3tiny"


def test_the_request_of_a_network_over_two_boards(tmp_path: Path) -> None:
    artifact = packaged(tmp_path, deployment("hw"))
    (kernel,) = artifact.bitstream.to_json()["kernels"]
    banks = len(load_board(BOARD).memory)
    assert kernel == {
        "name": ["idma_seg_r0_s0-board0.xclbin", "odma_seg_r0_s1-board1.xclbin"],
        "kernelId": "tiny",
        "arguments": [
            {"type": "uchar*", "index": ["0", ""], "name": "in", "memory": ["2"], "access": "r"},
            {
                "type": "uchar*",
                "index": ["", "0"],
                "name": "out",
                "memory": [str(banks + 5)],
                "access": "w",
            },
            {"type": "uint", "index": ["1", "1"], "name": "n"},
        ],
    }
    assert artifact.memory(banks + 5) == (artifact.binaries[1], 5)
    assert artifact.binary(Directive.parse(kernel["name"][1])) == artifact.binaries[1]


def test_the_folder_is_the_repository_layout(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", deployment("sw"))
    labels = Labels(bitstream_id="com.example.nets", version="7", description="d")
    result = package(project, tmp_path / "repository", labels=labels)
    shell = load_board(BOARD).shell.version
    wanted = f"xilinx/2x{BOARD}/{shell}/com/example/nets/7/1tiny-one_1tiny-two"
    assert result.folder == tmp_path / "repository" / wanted
    assert sorted(path.name for path in result.folder.iterdir()) == ["bitstream.json", "tiny.tar"]
    assert [path.name for path in (tmp_path / "repository").iterdir()] == ["xilinx"]


def test_packing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = packaged(tmp_path / "a", deployment("tmp"))
    second = packaged(tmp_path / "b", deployment("tmp"))
    assert first.archive.read() == second.archive.read()
    assert first.bitstream.to_bytes() == second.bitstream.to_bytes()


def test_packing_again_replaces_what_another_plan_left(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", deployment("hw"))
    package(project)
    write_project(project, deployment("tmp"))
    package(project)
    artifact = open_artifact(project)
    assert artifact.manifest is not None
    assert artifact.manifest.deployment.mode == "tmp"
    assert not [path for path in project.iterdir() if path.name.startswith(".")]


def test_the_manifest_is_last_and_says_everything(tmp_path: Path) -> None:
    sample = deployment("hw", 3)
    artifact = packaged(tmp_path, sample)
    assert [entry.name for entry in artifact.entries][-1] == "manifest.json"
    manifest = artifact.manifest
    assert manifest is not None
    assert manifest.deployment == sample
    assert manifest.plan_digest == sample.plan_digest
    for record, binary in zip(manifest.entries, artifact.binaries, strict=True):
        assert record.name == binary.name
        assert record.sha256 == binary.content.sha256()
        assert record.uuid == binary.xclbin.uuid


def test_host_models_travel_in_the_manifest(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", deployment("hw"))
    epilogue = HostModel(model=b"an onnx file", input="a", output="b")
    graph = Graph(
        name="tiny", layers=(), tensors={}, inputs=(), outputs=(), prologue=None, epilogue=epilogue
    )
    emit_host(graph).write(project)
    manifest = open_artifact(package(project).folder).manifest
    assert manifest is not None
    assert manifest.prologue is None
    assert manifest.epilogue is not None
    assert manifest.epilogue.onnx == b"an onnx file"
    assert (manifest.epilogue.input, manifest.epilogue.output) == ("a", "b")


def test_addresses_of_the_original_loader_are_its_own(tmp_path: Path) -> None:
    artifact = packaged(tmp_path, deployment("hw"), Loader.ORIGINAL)
    assert artifact.manifest is not None
    one, two = artifact.manifest.deployment.ports
    assert (one.ip, two.ip) == ("192.168.0.4", "192.168.0.5")
    assert (one.sockets[0].my_port, one.sockets[0].their_port) == (60000, 50000)
    assert (two.sockets[0].my_port, two.sockets[0].their_port) == (50000, 60000)


def other_port(sample: Deployment) -> Deployment:
    ports = tuple(replace(entry, qsfp=0) for entry in sample.ports)
    links = tuple(replace(link, source_qsfp=0, target_qsfp=0) for link in sample.links)
    return replace(sample, ports=ports, links=links)


def with_rsfec(sample: Deployment) -> Deployment:
    return replace(sample, ports=tuple(replace(entry, rsfec=True) for entry in sample.ports))


def with_another_shell(sample: Deployment) -> Deployment:
    one, two = sample.boards
    return replace(sample, boards=(one, replace(two, shell_version="other")))


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (
            deployment("hw", 3),
            "the original loader pairs exactly 2 boards, this plan has 3; use --loader elasticdf",
        ),
        (
            other_port(deployment("hw")),
            "the original loader opens cmac_1 only and would skip the network without a word, "
            "board 0 uses network port 0; partition with --loader original, or use --loader "
            "elasticdf",
        ),
        (
            deployment("tmp", replicas=2),
            "the original loader sets up socket row 0 only, which carries one stream each way, "
            "board 0 needs rows 0, 1; use --loader elasticdf",
        ),
        (
            with_rsfec(deployment("hw")),
            "the original loader never switches on RS-FEC, the link of board 0 needs it; "
            "use --loader elasticdf",
        ),
        (
            with_another_shell(deployment("sw")),
            "the original loader pairs equal boards with one shell, this plan has "
            f"{BOARD} with {load_board(BOARD).shell.version} and {BOARD} with other; "
            "use --loader elasticdf",
        ),
    ],
)
def test_more_than_the_original_loader_can_do_is_refused(
    sample: Deployment, message: str, tmp_path: Path
) -> None:
    project = write_project(tmp_path / "p", sample, release="original")
    with pytest.raises(UserError) as caught:
        package(project, loader=Loader.ORIGINAL)
    assert str(caught.value) == message
    assert not (project / "artifact").exists()


def test_a_network_layer_with_other_registers_is_refused_for_the_original_loader(
    tmp_path: Path,
) -> None:
    project = write_project(tmp_path / "p", deployment("hw"))
    with pytest.raises(UserError) as caught:
        package(project, loader=Loader.ORIGINAL)
    assert str(caught.value) == (
        "this artifact would not load: board0.xclbin: mac_address is at 0x10, the loader uses "
        "0x80 [network-registers]; the original loader writes fixed offsets of an older network "
        "layer; link with that network layer (emulated: build --emulate --loader original)"
    )


def test_a_missing_binary_is_a_sentence(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", deployment("hw"))
    binary = project / "board1/board1.xclbin"
    binary.unlink()
    with pytest.raises(UserError) as caught:
        package(project)
    assert str(caught.value) == (
        f"{binary} does not exist; build it with: make -C {project}, or emulated with: "
        f"elasticdf build {project} --emulate"
    )


def test_binaries_of_another_plan_are_refused(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", deployment("hw"))
    other = write_project(tmp_path / "other", deployment("tmp"))
    (project / "board1/board1.xclbin").write_bytes((other / "board1/board1.xclbin").read_bytes())
    with pytest.raises(UserError) as caught:
        package(project)
    assert str(caught.value) == (
        "board1.xclbin holds no compute unit odma_seg_r0_s1, it holds seg_r0_s1, cmac_1, "
        "networklayer_1, edf_rx_0, edf_tx_1, edf_mux_1, edf_demux_1; it was built from another "
        "plan, build it again"
    )


def test_a_binary_linked_to_another_bank_is_refused(tmp_path: Path) -> None:
    sample = deployment("hw")
    project = write_project(tmp_path / "p", sample)
    moved = replace(sample, host=tuple(replace(s, memory="HBM[9]") for s in sample.host))
    (project / "deployment.json").write_text(json.dumps(moved.to_json()))
    with pytest.raises(UserError) as caught:
        package(project)
    assert str(caught.value) == (
        "board0.xclbin, compute unit idma_seg_r0_s0: it is linked to HBM[2], the plan says "
        "HBM[9]; the binary was built from another plan, build it again"
    )


def test_an_output_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", deployment("hw"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError) as caught:
        package(project, tmp_path / "file")
    assert str(caught.value).startswith(f"cannot write {tmp_path / 'file'}")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            {"bitstream_id": "../etc"},
            "bitstream id '../etc' cannot be a path of folders; "
            "use words of letters, digits and _ joined by dots",
        ),
        (
            {"version": "1/2"},
            "version '1/2' cannot be a path of folders; "
            "use words of letters, digits and _ joined by dots",
        ),
    ],
)
def test_labels_cannot_leave_the_repository(labels: dict[str, str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        Labels(**labels)
    assert str(caught.value) == message


def test_a_hostile_deployment_cannot_leave_the_repository(tmp_path: Path) -> None:
    sample = deployment("hw")
    boards = tuple(replace(board, vendor="..") for board in sample.boards)
    project = write_project(tmp_path / "p", replace(sample, boards=boards))
    with pytest.raises(UserError) as caught:
        package(project)
    assert str(caught.value) == (
        "the deployment's description, platform, vendor: '..' is not allowed here; correct it"
    )


@pytest.mark.parametrize(
    ("datatype", "elements", "wanted"),
    [("UINT8", 4, "uchar"), ("UINT10", 1, "ushort"), ("UINT4", 4, "uchar"), ("UINT4", 1, "uchar")],
)
def test_stream_types(datatype: str, elements: int, wanted: str) -> None:
    assert stream_type(port("s_axis_0", "t", datatype, elements)) == wanted


def test_signed_values_narrower_than_their_word_travel_as_bytes() -> None:
    narrow = replace(port("s_axis_0", "t"), datatype="INT4", elements=1, bits=4, transfers=16)
    whole = replace(port("s_axis_0", "t"), datatype="INT16", elements=1, bits=16, transfers=16)
    assert (stream_type(narrow), stream_type(whole)) == ("uchar", "short")


def test_emulation_binaries_hold_what_the_deployment_says() -> None:
    sample = deployment("tmp")
    segments = {"seg_r0_s0": b"first", "seg_r0_s2": b"third"}
    content = emulation_binary(sample, 0, segments, load_board(BOARD))
    xclbin = parse(content)
    assert {name: blob.read() for name, blob in segments_of(xclbin).items()} == segments
    assert xclbin.platform == load_board(BOARD).shell.name
    assert [bank.tag for bank in xclbin.memories if bank.used] == ["HBM[2]", "HBM[5]"]
    controls = {ip.compute_unit: ip.control for ip in xclbin.ips}
    assert controls["idma_seg_r0_s0"] == Control.AP_CTRL_HS
    assert controls["seg_r0_s0"] == controls["networklayer_1"] == Control.AP_CTRL_NONE
    assert xclbin.metadata is not None
    dma = xclbin.metadata.kernel("idma_seg_r0_s0")
    assert dma is not None
    assert [(a.name, a.offset) for a in dma.arguments] == [("addr", 0x10), ("numReps", 0x1C)]
    assert [(clock.mhz, clock.name) for clock in xclbin.clocks] == [(200, "DATA_CLK")]


@pytest.mark.parametrize("name", board_names())
def test_every_board_can_be_packaged(name: str, tmp_path: Path) -> None:
    board = load_board(name)
    sample = deployment("sw")
    deployed = tuple(
        replace(
            entry,
            board=name,
            part=board.part,
            shell=board.shell.name,
            shell_version=board.shell.version,
        )
        for entry in sample.boards
    )
    streams = tuple(replace(stream, memory=board.memory[0].tag) for stream in sample.host)
    artifact = packaged(tmp_path, replace(sample, boards=deployed, host=streams))
    assert artifact.bitstream.platform.name == f"2x{name}"
    assert lint(artifact.folder).findings == ()


def test_a_request_nobody_can_split_is_refused() -> None:
    kernel = KernelObject(
        directives=(Directive.parse("a-x"), Directive.parse("b-y")),
        kernel_id="net",
        arguments=(Argument(type="uchar*"),),
    )
    with pytest.raises(UserError) as caught:
        kernel.call_of(0)
    assert str(caught.value) == (
        "kernel net has 2 compute units and an argument without index, so nobody knows which "
        "unit takes it; package the artifact again"
    )


def test_emulation_binaries_need_every_segment() -> None:
    with pytest.raises(UserError) as caught:
        emulation_binary(deployment("hw"), 0, {"other": b""}, load_board(BOARD))
    assert str(caught.value) == (
        "board0.xclbin: segments other, the plan puts seg_r0_s0 on board 0; "
        "partition the network again"
    )


def test_the_description_survives_a_round_trip(tmp_path: Path) -> None:
    bitstream = packaged(tmp_path, deployment("sw")).bitstream
    assert Bitstream.parse(bitstream.to_bytes()) == bitstream


def test_a_project_of_another_tool_is_refused(tmp_path: Path) -> None:
    (tmp_path / "deployment.json").write_text("[1]")
    with pytest.raises(UserError) as caught:
        package(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'deployment.json'} holds a JSON list, an object is needed; "
        "partition the network again"
    )


def test_tar_tools_read_the_archive(tmp_path: Path) -> None:
    artifact = packaged(tmp_path, deployment("hw"))
    with tarfile.open(artifact.folder / "tiny.tar") as archive:
        members = archive.getmembers()
        assert [m.name for m in members] == ["board0.xclbin", "board1.xclbin", "manifest.json"]
        assert {(m.uid, m.gid, m.mtime, m.mode) for m in members} == {(0, 0, 0, 0o644)}
        first = archive.extractfile(members[0])
        assert first is not None
        assert first.read() == artifact.binaries[0].content.read()
    assert tarwalk.walk(artifact.archive, "x") == artifact.entries
