// AXI-Lite window on COUNT read-only 32-bit values; value i at offset 0x10 + 8*i.
// Writes are acknowledged and change nothing; other offsets read as zero.
`default_nettype none
module edf_registers #(
    parameter int COUNT = 1
) (
    input  wire                 clk,
    input  wire                 rst,
    input  wire  [32*COUNT-1:0] values,
    input  wire  [        11:0] s_axi_awaddr,
    input  wire                 s_axi_awvalid,
    output logic                s_axi_awready,
    input  wire  [        31:0] s_axi_wdata,
    input  wire  [         3:0] s_axi_wstrb,
    input  wire                 s_axi_wvalid,
    output logic                s_axi_wready,
    output logic [         1:0] s_axi_bresp,
    output logic                s_axi_bvalid,
    input  wire                 s_axi_bready,
    input  wire  [        11:0] s_axi_araddr,
    input  wire                 s_axi_arvalid,
    output logic                s_axi_arready,
    output logic [        31:0] s_axi_rdata,
    output logic [         1:0] s_axi_rresp,
    output logic                s_axi_rvalid,
    input  wire                 s_axi_rready
);
    assign s_axi_bresp = 2'b00;
    assign s_axi_rresp = 2'b00;

    logic both;
    assign both = s_axi_awvalid && s_axi_wvalid && !s_axi_bvalid;
    assign s_axi_awready = both;
    assign s_axi_wready = both;
    assign s_axi_arready = !s_axi_rvalid;

    logic [31:0] chosen;
    integer i;
    always_comb begin
        chosen = 32'b0;
        for (i = 0; i < COUNT; i = i + 1)
            if (s_axi_araddr == 16 + 8 * i) chosen = chosen | values[32*i+:32];
    end

    always_ff @(posedge clk) begin
        if (rst) begin
            s_axi_bvalid <= 1'b0;
            s_axi_rvalid <= 1'b0;
            s_axi_rdata <= 32'b0;
        end else begin
            if (both) s_axi_bvalid <= 1'b1;
            else if (s_axi_bready) s_axi_bvalid <= 1'b0;
            if (s_axi_arvalid && s_axi_arready) begin
                s_axi_rvalid <= 1'b1;
                s_axi_rdata <= chosen;
            end else if (s_axi_rready) s_axi_rvalid <= 1'b0;
        end
    end
endmodule
`default_nettype wire
