// packets to the adapters of socket rows 0, 1
`default_nettype none
module edf_demux_0 (
    input wire ap_clk,
    input wire ap_rst_n,
    input wire [11:0] s_axi_control_awaddr,
    input wire s_axi_control_awvalid,
    input wire [31:0] s_axi_control_wdata,
    input wire [3:0] s_axi_control_wstrb,
    input wire s_axi_control_wvalid,
    input wire s_axi_control_bready,
    input wire [11:0] s_axi_control_araddr,
    input wire s_axi_control_arvalid,
    input wire s_axi_control_rready,
    output wire s_axi_control_awready,
    output wire s_axi_control_wready,
    output wire [1:0] s_axi_control_bresp,
    output wire s_axi_control_bvalid,
    output wire s_axi_control_arready,
    output wire [31:0] s_axi_control_rdata,
    output wire [1:0] s_axi_control_rresp,
    output wire s_axi_control_rvalid,
    input wire [511:0] n2k_tdata,
    input wire [63:0] n2k_tkeep,
    input wire n2k_tlast,
    input wire [15:0] n2k_tdest,
    input wire n2k_tvalid,
    output wire n2k_tready,
    output wire [511:0] m_axis_0_tdata,
    output wire [63:0] m_axis_0_tkeep,
    output wire m_axis_0_tlast,
    output wire m_axis_0_tvalid,
    input wire m_axis_0_tready,
    output wire [511:0] m_axis_1_tdata,
    output wire [63:0] m_axis_1_tkeep,
    output wire m_axis_1_tlast,
    output wire m_axis_1_tvalid,
    input wire m_axis_1_tready
);
    wire [95:0] values;
    reg control_rst;
    always @(posedge ap_clk) control_rst <= !ap_rst_n;
    edf_registers #(
        .COUNT(3)
    ) u_registers (
        .clk(ap_clk),
        .rst(control_rst),
        .values(values),
        .s_axi_awaddr(s_axi_control_awaddr),
        .s_axi_awvalid(s_axi_control_awvalid),
        .s_axi_wdata(s_axi_control_wdata),
        .s_axi_wstrb(s_axi_control_wstrb),
        .s_axi_wvalid(s_axi_control_wvalid),
        .s_axi_bready(s_axi_control_bready),
        .s_axi_araddr(s_axi_control_araddr),
        .s_axi_arvalid(s_axi_control_arvalid),
        .s_axi_rready(s_axi_control_rready),
        .s_axi_awready(s_axi_control_awready),
        .s_axi_wready(s_axi_control_wready),
        .s_axi_bresp(s_axi_control_bresp),
        .s_axi_bvalid(s_axi_control_bvalid),
        .s_axi_arready(s_axi_control_arready),
        .s_axi_rdata(s_axi_control_rdata),
        .s_axi_rresp(s_axi_control_rresp),
        .s_axi_rvalid(s_axi_control_rvalid)
    );
    edf_demux_core #(
        .OUTPUTS(2),
        .ROWS({16'd1, 16'd0}),
        .TAKES({2'b11, 2'b11})
    ) u_core (
        .ap_clk(ap_clk),
        .ap_rst_n(ap_rst_n),
        .s_tdata(n2k_tdata),
        .s_tkeep(n2k_tkeep),
        .s_tlast(n2k_tlast),
        .s_tdest(n2k_tdest),
        .s_tvalid(n2k_tvalid),
        .s_tready(n2k_tready),
        .m_tdata({m_axis_1_tdata, m_axis_0_tdata}),
        .m_tkeep({m_axis_1_tkeep, m_axis_0_tkeep}),
        .m_tlast({m_axis_1_tlast, m_axis_0_tlast}),
        .m_tvalid({m_axis_1_tvalid, m_axis_0_tvalid}),
        .m_tready({m_axis_1_tready, m_axis_0_tready}),
        .values(values)
    );
endmodule
`default_nettype wire
