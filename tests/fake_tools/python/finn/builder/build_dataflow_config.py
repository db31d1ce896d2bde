from dataclasses import dataclass

PARTS = ("xcu", "xczu", "xc7z")
OUTPUTS = (
    "stitched_ip",
    "estimate_reports",
    "out_of_context_synth",
    "rtlsim_performance",
    "bitfile",
    "pynq_driver",
    "deployment_package",
)


@dataclass
class DataflowBuildConfig:
    """The fields scripts may give; FINN drops others without a word, this does not take them."""

    output_dir: str
    synth_clk_period_ns: float
    generate_outputs: list
    fpga_part: str | None = None
    board: str | None = None
    shell_flow_type: str | None = None
    steps: list | None = None
    target_fps: int | None = None

    def __post_init__(self):
        assert isinstance(self.synth_clk_period_ns, float)
        assert set(self.generate_outputs) <= set(OUTPUTS)
        assert self.fpga_part.startswith(PARTS), self.fpga_part
