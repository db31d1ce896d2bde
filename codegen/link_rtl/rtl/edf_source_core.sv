// Ties off a stream input that nothing feeds: never valid.
`default_nettype none
module edf_source_core #(
    parameter int BYTES = 64
) (
    input  wire                ap_clk,
    input  wire                ap_rst_n,
    output logic [8*BYTES-1:0] k2n_tdata,
    output logic [  BYTES-1:0] k2n_tkeep,
    output logic               k2n_tlast,
    output logic [       15:0] k2n_tdest,
    output logic               k2n_tvalid,
    input  wire                k2n_tready
);
    assign k2n_tdata = '0;
    assign k2n_tkeep = '1;
    assign k2n_tlast = 1'b1;
    assign k2n_tdest = 16'd0;
    assign k2n_tvalid = 1'b0;
endmodule
`default_nettype wire
