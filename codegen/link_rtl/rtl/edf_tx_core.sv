// A FINN stream onto a row of the network layer: pack, keep whole packets ready, send on credit.
// The protocol is described in docs/link.md. Only a reset can realign it with the stream.
`default_nettype none
module edf_tx_core #(
    parameter int BYTES = 1,
    parameter int TRANSFERS = 1,
    parameter int ROW = 0,
    parameter int WINDOW_BEATS = 704,
    parameter int PROBE_CYCLES = 16384,
    parameter int RESTART_CYCLES = 16384
) (
    input  wire                ap_clk,
    input  wire                ap_rst_n,
    input  wire  [8*BYTES-1:0] s_axis_tdata,
    input  wire                s_axis_tvalid,
    output logic               s_axis_tready,
    output logic [      511:0] k2n_tdata,
    output logic [       63:0] k2n_tkeep,
    output logic               k2n_tlast,
    output logic [       15:0] k2n_tdest,
    output logic               k2n_tvalid,
    input  wire                k2n_tready,
    input  wire  [      511:0] n2k_tdata,
    input  wire  [       63:0] n2k_tkeep,
    input  wire                n2k_tlast,
    input  wire                n2k_tvalid,
    output logic               n2k_tready,
    output logic [    32*10-1:0] values
);
    localparam logic [31:0] IDENTITY = 32'h45445401;  // "EDT", protocol version 1
    localparam logic [31:0] ROW_VALUE = ROW;
    localparam logic [31:0] WINDOW_VALUE = WINDOW_BEATS;

    logic rst;
    always_ff @(posedge ap_clk) rst <= !ap_rst_n;

    logic [511:0] packed_data;
    logic pack_ready, packed_last, packed_valid, packed_ready;
    assign s_axis_tready = pack_ready && !rst;  // a transfer taken in reset would be lost
    edf_tx_pack #(
        .BYTES(BYTES),
        .TRANSFERS(TRANSFERS)
    ) u_pack (
        .clk(ap_clk),
        .rst(rst),
        .s_data(s_axis_tdata),
        .s_valid(s_axis_tvalid),
        .s_ready(pack_ready),
        .m_data(packed_data),
        .m_last(packed_last),
        .m_valid(packed_valid),
        .m_ready(packed_ready)
    );

    // Room for more than two full packets: one goes out while the next comes in, and a packet that
    // has begun never waits for the stream while it holds the network.
    logic [511:0] waiting_data;
    logic waiting_valid, waiting_ready;
    logic [6:0] beats_waiting;
    edf_fifo #(
        .WIDTH(512),
        .LOG_DEPTH(6)
    ) u_fifo (
        .clk(ap_clk),
        .rst(rst),
        .s_data(packed_data),
        .s_valid(packed_valid),
        .s_ready(packed_ready),
        .m_data(waiting_data),
        .m_valid(waiting_valid),
        .m_ready(waiting_ready),
        .count(beats_waiting)
    );

    logic [6:0] packets_waiting;
    logic packet_added, packet_taken;
    assign packet_added = packed_valid && packed_ready && packed_last;
    always_ff @(posedge ap_clk) begin
        if (rst) packets_waiting <= 7'd0;
        else if (packet_added && !packet_taken) packets_waiting <= packets_waiting + 1'b1;
        else if (packet_taken && !packet_added) packets_waiting <= packets_waiting - 1'b1;
    end

    logic running, starved;
    logic [15:0] in_flight;
    logic [31:0] frames_sent, packets_sent, credits_taken, credits_bad, probes_sent;
    logic [31:0] starved_cycles;
    edf_tx_send #(
        .FRAME_BYTES(BYTES * TRANSFERS),
        .WINDOW_BEATS(WINDOW_BEATS),
        .PROBE_CYCLES(PROBE_CYCLES),
        .RESTART_CYCLES(RESTART_CYCLES)
    ) u_send (
        .clk(ap_clk),
        .rst(rst),
        .s_data(waiting_data),
        .s_valid(waiting_valid),
        .s_ready(waiting_ready),
        .s_complete(packets_waiting != 0),
        .s_taken(packet_taken),
        .m_data(k2n_tdata),
        .m_last(k2n_tlast),
        .m_valid(k2n_tvalid),
        .m_ready(k2n_tready),
        .n_data(n2k_tdata),
        .n_last(n2k_tlast),
        .n_valid(n2k_tvalid),
        .running(running),
        .starved(starved),
        .in_flight(in_flight),
        .frames_sent(frames_sent),
        .packets_sent(packets_sent),
        .credits_taken(credits_taken),
        .credits_bad(credits_bad),
        .probes_sent(probes_sent),
        .starved_cycles(starved_cycles)
    );
    assign k2n_tkeep = {64{1'b1}};
    assign k2n_tdest = ROW_VALUE[15:0];
    assign n2k_tready = 1'b1;
    assign values = {
        WINDOW_VALUE, starved_cycles, probes_sent, credits_bad, credits_taken,
        packets_sent, frames_sent, {14'b0, starved, running, in_flight}, ROW_VALUE, IDENTITY
    };
endmodule
`default_nettype wire
