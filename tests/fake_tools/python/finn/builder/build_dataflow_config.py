from dataclasses import dataclass, field

PARTS = ("xcu", "xczu", "xc7z")


@dataclass
class DataflowBuildConfig:
    output_dir: str
    synth_clk_period_ns: float
    generate_outputs: list
    fpga_part: str | None = None
    steps: list | None = None
    extra: dict = field(default_factory=dict)

    def __post_init__(self):
        assert isinstance(self.synth_clk_period_ns, float)
        assert self.fpga_part.startswith(PARTS), self.fpga_part
