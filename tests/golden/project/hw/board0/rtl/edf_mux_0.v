// packets of 2 adapters in turn
`default_nettype none
module edf_mux_0 (
    input wire ap_clk,
    input wire ap_rst_n,
    input wire [511:0] s_axis_0_tdata,
    input wire [63:0] s_axis_0_tkeep,
    input wire s_axis_0_tlast,
    input wire [15:0] s_axis_0_tdest,
    input wire s_axis_0_tvalid,
    output wire s_axis_0_tready,
    input wire [511:0] s_axis_1_tdata,
    input wire [63:0] s_axis_1_tkeep,
    input wire s_axis_1_tlast,
    input wire [15:0] s_axis_1_tdest,
    input wire s_axis_1_tvalid,
    output wire s_axis_1_tready,
    output wire [511:0] k2n_tdata,
    output wire [63:0] k2n_tkeep,
    output wire k2n_tlast,
    output wire [15:0] k2n_tdest,
    output wire k2n_tvalid,
    input wire k2n_tready
);
    edf_mux_core #(
        .INPUTS(2)
    ) u_core (
        .ap_clk(ap_clk),
        .ap_rst_n(ap_rst_n),
        .s_tdata({s_axis_1_tdata, s_axis_0_tdata}),
        .s_tkeep({s_axis_1_tkeep, s_axis_0_tkeep}),
        .s_tlast({s_axis_1_tlast, s_axis_0_tlast}),
        .s_tdest({s_axis_1_tdest, s_axis_0_tdest}),
        .s_tvalid({s_axis_1_tvalid, s_axis_0_tvalid}),
        .s_tready({s_axis_1_tready, s_axis_0_tready}),
        .m_tdata(k2n_tdata),
        .m_tkeep(k2n_tkeep),
        .m_tlast(k2n_tlast),
        .m_tdest(k2n_tdest),
        .m_tvalid(k2n_tvalid),
        .m_tready(k2n_tready)
    );
endmodule
`default_nettype wire
