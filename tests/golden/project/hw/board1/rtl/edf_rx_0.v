// frames of 64 x 1 bytes from socket row 0, credit after 48 beats
`default_nettype none
module edf_rx_0 (
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
    input wire n2k_tvalid,
    output wire n2k_tready,
    output wire [511:0] k2n_tdata,
    output wire [63:0] k2n_tkeep,
    output wire k2n_tlast,
    output wire [15:0] k2n_tdest,
    output wire k2n_tvalid,
    input wire k2n_tready,
    output wire [7:0] m_axis_0_tdata,
    output wire m_axis_0_tvalid,
    input wire m_axis_0_tready
);
    wire [479:0] values;
    reg control_rst;
    always @(posedge ap_clk) control_rst <= !ap_rst_n;
    edf_registers #(
        .COUNT(15)
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
    edf_rx_core #(
        .BYTES(1),
        .TRANSFERS(64),
        .ROW(0),
        .FILL_MISSING(1),
        .WINDOW_BEATS(384),
        .LOG_DEPTH(10),
        .CREDIT_STEP(48)
    ) u_core (
        .ap_clk(ap_clk),
        .ap_rst_n(ap_rst_n),
        .n2k_tdata(n2k_tdata),
        .n2k_tkeep(n2k_tkeep),
        .n2k_tlast(n2k_tlast),
        .n2k_tvalid(n2k_tvalid),
        .n2k_tready(n2k_tready),
        .k2n_tdata(k2n_tdata),
        .k2n_tkeep(k2n_tkeep),
        .k2n_tlast(k2n_tlast),
        .k2n_tdest(k2n_tdest),
        .k2n_tvalid(k2n_tvalid),
        .k2n_tready(k2n_tready),
        .m_axis_tdata(m_axis_0_tdata),
        .m_axis_tvalid(m_axis_0_tvalid),
        .m_axis_tready(m_axis_0_tready),
        .values(values)
    );
endmodule
`default_nettype wire
