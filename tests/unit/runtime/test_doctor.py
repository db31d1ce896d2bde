from __future__ import annotations

from pathlib import Path

from elasticdf.runtime.doctor import Machine, Status, examine


def test_a_bare_machine_is_told_everything_it_lacks(tmp_path: Path) -> None:
    machine = Machine(
        root=tmp_path,
        environment={},
        which=lambda name: None,
        version=lambda package: None,
        python=(3, 10, 2),
    )
    report = examine(machine)
    missing = {finding.what: finding.remedy for finding in report.findings}
    assert missing["interpreter"] == "use Python 3.11 or newer"
    assert missing["v++"] == "install AMD Vitis and source its settings64.sh"
    assert missing["XRT"] == "install XRT and source /opt/xilinx/xrt/setup.sh"
    assert missing["PCIe cards"].startswith("plug a board in")
    for topic in ("python", "mlperf", "build", "boards"):
        assert not report.can(topic)
    assert all(f.remedy for f in report.findings if f.status is Status.MISSING)


def test_a_machine_with_a_board_is_described(tmp_path: Path) -> None:
    card = tmp_path / "sys/bus/pci/devices/0000:3b:00.1"
    card.mkdir(parents=True)
    (card / "vendor").write_text("0x10ee\n")
    (card / "device").write_text("0x500d\n")
    other = tmp_path / "sys/bus/pci/devices/0000:00:00.0"
    other.mkdir()
    (other / "vendor").write_text("0x8086\n")
    (tmp_path / "dev/dri").mkdir(parents=True)
    (tmp_path / "dev/dri/renderD128").touch()
    platform = tmp_path / "opt/xilinx/platforms/some_shell"
    platform.mkdir(parents=True)
    (platform / "some_shell.xpfm").touch()
    (tmp_path / "opt/xilinx/xrt/python").mkdir(parents=True)
    (tmp_path / "opt/xilinx/xrt/python/pyxrt.so").touch()
    (tmp_path / "proc/sys/net/core").mkdir(parents=True)
    (tmp_path / "proc/sys/net/core/rmem_max").write_text("1000\n")
    report = examine(
        Machine(
            root=tmp_path,
            environment={"XILINXD_LICENSE_FILE": "2100@here"},
            which=lambda name: f"/bin/{name}",
            version=lambda package: "1.0",
            python=(3, 12, 0),
        )
    )
    found = {finding.what: finding.found for finding in report.findings}
    assert found["PCIe cards"] == "0000:3b:00.1 (0x500d)"
    assert found["platforms"] == "some_shell"
    assert found["device nodes"] == "renderD128"
    assert found["board manager"] == "/bin/xrt-smi"
    assert found["socket buffers"] == "1000 bytes at most"
    assert report.can("boards")
    assert report.can("build")
    assert report.to_json()["schema"] == "elasticdf.doctor/1"


def test_this_machine_is_examined_without_an_error() -> None:
    assert examine().can("python")
