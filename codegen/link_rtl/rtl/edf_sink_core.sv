// Ties off a stream output that nothing takes: always ready.
`default_nettype none
module edf_sink_core #(
    parameter int BYTES = 64
) (
    input  wire                ap_clk,
    input  wire                ap_rst_n,
    input  wire  [8*BYTES-1:0] n2k_tdata,
    input  wire  [  BYTES-1:0] n2k_tkeep,
    input  wire                n2k_tlast,
    input  wire  [       15:0] n2k_tdest,
    input  wire                n2k_tvalid,
    output logic               n2k_tready
);
    assign n2k_tready = 1'b1;
endmodule
`default_nettype wire
