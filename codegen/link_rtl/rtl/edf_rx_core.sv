// A row of the network layer back into a FINN stream: keep, check, complete, unpack, return credit.
// The protocol is described in docs/link.md.
`default_nettype none
module edf_rx_core #(
    parameter int BYTES = 1,
    parameter int TRANSFERS = 1,
    parameter int ROW = 0,
    parameter int FILL_MISSING = 1,
    parameter int WINDOW_BEATS = 704,
    parameter int LOG_DEPTH = 10,
    parameter int CREDIT_STEP = 88,
    parameter int CREDIT_CYCLES = 512
) (
    input  wire                 ap_clk,
    input  wire                 ap_rst_n,
    input  wire  [       511:0] n2k_tdata,
    input  wire  [        63:0] n2k_tkeep,
    input  wire                 n2k_tlast,
    input  wire                 n2k_tvalid,
    output logic                n2k_tready,
    output logic [       511:0] k2n_tdata,
    output logic [        63:0] k2n_tkeep,
    output logic                k2n_tlast,
    output logic [        15:0] k2n_tdest,
    output logic                k2n_tvalid,
    input  wire                 k2n_tready,
    output logic [ 8*BYTES-1:0] m_axis_tdata,
    output logic                m_axis_tvalid,
    input  wire                 m_axis_tready,
    output logic [   32*15-1:0] values
);
    localparam logic [31:0] IDENTITY = 32'h45445201;  // "EDR", protocol version 1
    localparam logic [31:0] ROW_VALUE = ROW;
    localparam logic [31:0] WINDOW_VALUE = WINDOW_BEATS;

    logic rst;
    always_ff @(posedge ap_clk) rst <= !ap_rst_n;

    logic [511:0] kept_data;
    logic kept_last, kept_gap, kept_valid, kept_ready, synced, in_frame;
    logic [15:0] occupancy;
    logic [31:0] packets_taken, packets_bad, packets_repeated, gaps, beats_lost, greetings;
    logic [31:0] credits_sent, frames_whole, frames_broken, frames_missing, realigned;
    edf_rx_take #(
        .WINDOW_BEATS(WINDOW_BEATS),
        .LOG_DEPTH(LOG_DEPTH),
        .CREDIT_STEP(CREDIT_STEP),
        .CREDIT_CYCLES(CREDIT_CYCLES)
    ) u_take (
        .clk(ap_clk),
        .rst(rst),
        .n_data(n2k_tdata),
        .n_last(n2k_tlast),
        .n_valid(n2k_tvalid),
        .m_data(kept_data),
        .m_last(kept_last),
        .m_gap(kept_gap),
        .m_valid(kept_valid),
        .m_ready(kept_ready),
        .c_data(k2n_tdata),
        .c_valid(k2n_tvalid),
        .c_ready(k2n_tready),
        .synced(synced),
        .occupancy(occupancy),
        .packets_taken(packets_taken),
        .packets_bad(packets_bad),
        .packets_repeated(packets_repeated),
        .gaps(gaps),
        .beats_lost(beats_lost),
        .greetings(greetings),
        .credits_sent(credits_sent)
    );
    edf_rx_frames #(
        .BYTES(BYTES),
        .TRANSFERS(TRANSFERS),
        .FILL_MISSING(FILL_MISSING)
    ) u_frames (
        .clk(ap_clk),
        .rst(rst),
        .s_data(kept_data),
        .s_last(kept_last),
        .s_gap(kept_gap),
        .s_valid(kept_valid),
        .s_ready(kept_ready),
        .m_data(m_axis_tdata),
        .m_valid(m_axis_tvalid),
        .m_ready(m_axis_tready),
        .in_frame(in_frame),
        .frames_whole(frames_whole),
        .frames_broken(frames_broken),
        .frames_missing(frames_missing),
        .realigned(realigned)
    );
    assign n2k_tready = 1'b1;
    assign k2n_tkeep = {64{1'b1}};
    assign k2n_tlast = 1'b1;
    assign k2n_tdest = ROW_VALUE[15:0];
    assign values = {
        WINDOW_VALUE, credits_sent, greetings, realigned, beats_lost, gaps,
        packets_repeated, packets_bad, packets_taken, frames_missing, frames_broken, frames_whole,
        {14'b0, in_frame, synced, occupancy}, ROW_VALUE, IDENTITY
    };
endmodule
`default_nettype wire
