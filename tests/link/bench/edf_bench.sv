// Two boards A and B and the cable between them. A stream goes from A to B; with DUPLEX a second one
// goes from B to A through the same network layers, on a row of its own or, with SHARED, on the same
// one. Everything random comes from `seed`; every
// counter can be read after a run.
module edf_bench #(
    parameter int BYTES = 1,
    parameter int TRANSFERS = 1,
    parameter int FILL_MISSING = 1,
    parameter int DUPLEX = 0,
    parameter int SHARED = 0,
    parameter int WINDOW_BEATS = 704,
    parameter int CREDIT_STEP = 88,
    parameter int PROBE_CYCLES = 4096,
    parameter int RESTART_CYCLES = 4096
) (
    input  logic         clk,
    input  logic         rst,            // everything
    input  logic         rst_a,          // board A: adapters and source
    input  logic         rst_b,          // board B: adapters and sink
    input  logic [ 31:0] seed,
    input  logic [  7:0] session,
    input  logic [ 31:0] frames,
    input  logic         search,
    input  logic [ 16:0] source_rate,
    input  logic [ 16:0] sink_rate,
    input  logic [ 15:0] rest_rate,
    input  logic [ 16:0] network_rate,
    input  logic [ 15:0] latency,
    input  logic [ 15:0] byte_cycles,
    input  logic [ 15:0] drop_rate,
    input  logic [ 15:0] repeat_rate,
    input  logic [ 15:0] cut_rate,
    input  logic [ 15:0] flip_rate,
    input  logic [ 15:0] stray_rate,
    output logic [ 31:0] sent,           // frames the source got rid of
    output logic [ 31:0] taken,          // frames the sink has seen, equal or cut
    output logic [ 31:0] frames_equal,
    output logic [ 31:0] frames_cut,
    output logic [ 31:0] errors,         // of sinks and wires, both directions
    output logic [ 31:0] overflows,
    output logic [ 31:0] frames_hit,
    output logic [ 31:0] repeats,        // DATA packets that arrive twice
    output logic [ 31:0] injected,       // packets harmed or repeated, both directions
    output logic [ 31:0] strays,
    output logic [ 31:0] strays_counted,
    output logic [ 63:0] wire_bytes,     // A to B
    output logic [ 63:0] back_bytes,     // B to A
    output logic [319:0] tx_values,
    output logic [479:0] rx_values,
    // the stream from B to A
    output logic [ 31:0] back_taken,
    output logic [ 31:0] back_equal,
    output logic [ 31:0] back_cut,
    output logic [ 31:0] back_hit,
    output logic [ 31:0] back_repeats,
    output logic [479:0] back_rx_values
);
    // Rows that the adapters send to, and what the wire makes of them: 4 more at each crossing.
    localparam int A_TX = 2, B_RX = A_TX + 4;
    localparam int B_TX = (SHARED != 0) ? B_RX : 7;
    localparam int A_RX = (SHARED != 0) ? A_TX : B_TX + 4;
    localparam int ON_A = A_TX + 8, ON_B = A_TX + 4;  // where the first stream's packets arrive
    localparam int BACK_ON_A = B_TX + 4, BACK_ON_B = A_RX + 4;
    localparam logic [3:0] TAKES_A = (SHARED != 0) ? 4'b1001 : 4'b1111;
    localparam logic [3:0] TAKES_B = (SHARED != 0) ? 4'b0110 : 4'b1111;

    logic rst_n_a, rst_n_b;
    assign rst_n_a = !(rst || rst_a);
    assign rst_n_b = !(rst || rst_b);

    logic [63:0] dice_source, dice_sink, dice_ab, dice_ba;
    edf_bench_random #(.ID(1)) u_r1 (.clk(clk), .rst(rst), .seed(seed), .bits(dice_source));
    edf_bench_random #(.ID(2)) u_r2 (.clk(clk), .rst(rst), .seed(seed), .bits(dice_sink));
    edf_bench_random #(.ID(3)) u_r3 (.clk(clk), .rst(rst), .seed(seed), .bits(dice_ab));
    edf_bench_random #(.ID(4)) u_r4 (.clk(clk), .rst(rst), .seed(seed), .bits(dice_ba));

    // ---- board A -----------------------------------------------------------------------------
    logic [8*BYTES-1:0] source_data, sink_data;
    logic source_valid, source_ready, sink_valid, sink_ready;
    edf_bench_source #(.BYTES(BYTES), .TRANSFERS(TRANSFERS)) u_source (
        .clk(clk), .rst(!rst_n_a), .session(session), .frames(frames), .rate(source_rate),
        .dice(dice_source[15:0]), .m_tdata(source_data), .m_tvalid(source_valid),
        .m_tready(source_ready), .frame(sent)
    );
    logic [1023:0] a_out_data;
    logic [1:0] a_out_last, a_out_valid, a_out_ready;
    logic [31:0] a_out_dest;
    logic [1023:0] a_in_data;
    logic [127:0] a_in_keep;
    logic [1:0] a_in_last, a_in_valid, a_in_ready;
    logic [63:0] a_tx_keep;
    edf_tx_core #(
        .BYTES(BYTES), .TRANSFERS(TRANSFERS), .ROW(A_TX), .WINDOW_BEATS(WINDOW_BEATS),
        .PROBE_CYCLES(PROBE_CYCLES), .RESTART_CYCLES(RESTART_CYCLES)
    ) u_tx (
        .ap_clk(clk), .ap_rst_n(rst_n_a), .s_axis_tdata(source_data), .s_axis_tvalid(source_valid),
        .s_axis_tready(source_ready), .k2n_tdata(a_out_data[511:0]), .k2n_tkeep(a_tx_keep),
        .k2n_tlast(a_out_last[0]), .k2n_tdest(a_out_dest[15:0]), .k2n_tvalid(a_out_valid[0]),
        .k2n_tready(a_out_ready[0]), .n2k_tdata(a_in_data[511:0]), .n2k_tkeep({64{1'b1}}), .n2k_tlast(a_in_last[0]),
        .n2k_tvalid(a_in_valid[0]), .n2k_tready(a_in_ready[0]), .values(tx_values)
    );
    logic [511:0] ab_data, ba_data, ab_out_data, ba_out_data;
    logic ab_last, ab_valid, ab_ready, ba_last, ba_valid, ba_ready;
    logic ab_out_last, ab_out_valid, ab_out_ready, ba_out_last, ba_out_valid, ba_out_ready;
    logic [15:0] ab_dest, ba_dest, ab_out_dest, ba_out_dest;
    logic [63:0] ab_keep, ba_keep;
    edf_mux_core #(.INPUTS(2)) u_mux_a (
        .ap_clk(clk), .ap_rst_n(rst_n_a), .s_tdata(a_out_data), .s_tkeep({128{1'b1}}), .s_tlast(a_out_last),
        .s_tdest(a_out_dest), .s_tvalid(a_out_valid), .s_tready(a_out_ready), .m_tdata(ab_data),
        .m_tkeep(ab_keep), .m_tlast(ab_last), .m_tdest(ab_dest), .m_tvalid(ab_valid),
        .m_tready(ab_ready)
    );
    logic [95:0] demux_a_values, demux_b_values;
    edf_demux_core #(.OUTPUTS(2), .ROWS({16'(BACK_ON_A), 16'(ON_A)}), .TAKES(TAKES_A)) u_demux_a (
        .ap_clk(clk), .ap_rst_n(rst_n_a), .s_tdata(ba_out_data), .s_tkeep({64{1'b1}}), .s_tlast(ba_out_last),
        .s_tdest(ba_out_dest), .s_tvalid(ba_out_valid), .s_tready(ba_out_ready),
        .m_tdata(a_in_data), .m_tkeep(a_in_keep), .m_tlast(a_in_last), .m_tvalid(a_in_valid), .m_tready(a_in_ready),
        .values(demux_a_values)
    );

    // ---- the cable ---------------------------------------------------------------------------
    logic [31:0] ab_packets, ab_drops, ab_repeats, ab_cuts, ab_flips, ab_strays, ab_over, ab_errors;
    logic [31:0] ba_packets, ba_drops, ba_repeats, ba_cuts, ba_flips, ba_strays, ba_over, ba_errors;
    edf_bench_wire u_ab (
        .clk(clk), .rst(rst), .dice(dice_ab), .latency(latency), .byte_cycles(byte_cycles),
        .drop_rate(drop_rate), .repeat_rate(repeat_rate), .cut_rate(cut_rate),
        .flip_rate(flip_rate), .stray_rate(stray_rate), .rate(network_rate), .s_tdata(ab_data),
        .s_tlast(ab_last), .s_tdest(ab_dest), .s_tvalid(ab_valid), .s_tready(ab_ready),
        .m_tdata(ab_out_data), .m_tlast(ab_out_last), .m_tdest(ab_out_dest),
        .m_tvalid(ab_out_valid), .m_tready(ab_out_ready), .packets(ab_packets), .drops(ab_drops),
        .repeats(ab_repeats), .cuts(ab_cuts), .flips(ab_flips), .strays(ab_strays),
        .overflows(ab_over), .frames_hit(frames_hit), .data_repeats(repeats), .errors(ab_errors), .wire_bytes(wire_bytes)
    );
    edf_bench_wire u_ba (
        .clk(clk), .rst(rst), .dice(dice_ba), .latency(latency), .byte_cycles(byte_cycles),
        .drop_rate(drop_rate), .repeat_rate(repeat_rate), .cut_rate(cut_rate),
        .flip_rate(flip_rate), .stray_rate(stray_rate), .rate(network_rate), .s_tdata(ba_data),
        .s_tlast(ba_last), .s_tdest(ba_dest), .s_tvalid(ba_valid), .s_tready(ba_ready),
        .m_tdata(ba_out_data), .m_tlast(ba_out_last), .m_tdest(ba_out_dest),
        .m_tvalid(ba_out_valid), .m_tready(ba_out_ready), .packets(ba_packets), .drops(ba_drops),
        .repeats(ba_repeats), .cuts(ba_cuts), .flips(ba_flips), .strays(ba_strays),
        .overflows(ba_over), .frames_hit(back_hit), .data_repeats(back_repeats), .errors(ba_errors), .wire_bytes(back_bytes)
    );

    // ---- board B -----------------------------------------------------------------------------
    logic [1023:0] b_out_data;
    logic [1:0] b_out_last, b_out_valid, b_out_ready;
    logic [31:0] b_out_dest;
    logic [1023:0] b_in_data;
    logic [127:0] b_in_keep;
    logic [1:0] b_in_last, b_in_valid, b_in_ready;
    logic [63:0] b_rx_keep;
    edf_demux_core #(.OUTPUTS(2), .ROWS({16'(BACK_ON_B), 16'(ON_B)}), .TAKES(TAKES_B)) u_demux_b (
        .ap_clk(clk), .ap_rst_n(rst_n_b), .s_tdata(ab_out_data), .s_tkeep({64{1'b1}}), .s_tlast(ab_out_last),
        .s_tdest(ab_out_dest), .s_tvalid(ab_out_valid), .s_tready(ab_out_ready),
        .m_tdata(b_in_data), .m_tkeep(b_in_keep), .m_tlast(b_in_last), .m_tvalid(b_in_valid), .m_tready(b_in_ready),
        .values(demux_b_values)
    );
    edf_rx_core #(
        .BYTES(BYTES), .TRANSFERS(TRANSFERS), .ROW(B_RX), .FILL_MISSING(FILL_MISSING),
        .WINDOW_BEATS(WINDOW_BEATS), .CREDIT_STEP(CREDIT_STEP)
    ) u_rx (
        .ap_clk(clk), .ap_rst_n(rst_n_b), .n2k_tdata(b_in_data[511:0]), .n2k_tkeep({64{1'b1}}), .n2k_tlast(b_in_last[0]),
        .n2k_tvalid(b_in_valid[0]), .n2k_tready(b_in_ready[0]), .k2n_tdata(b_out_data[511:0]),
        .k2n_tkeep(b_rx_keep), .k2n_tlast(b_out_last[0]), .k2n_tdest(b_out_dest[15:0]),
        .k2n_tvalid(b_out_valid[0]), .k2n_tready(b_out_ready[0]), .m_axis_tdata(sink_data),
        .m_axis_tvalid(sink_valid), .m_axis_tready(sink_ready), .values(rx_values)
    );
    logic [31:0] sink_errors, back_errors;
    logic [7:0] sink_session, back_session;
    logic [31:0] sink_frame, back_frame;
    edf_bench_sink #(.BYTES(BYTES), .TRANSFERS(TRANSFERS)) u_sink (
        .clk(clk), .rst(!rst_n_b), .clear(rst), .search(search), .rate(sink_rate),
        .rest_rate(rest_rate), .dice(dice_sink[31:0]), .s_tdata(sink_data), .s_tvalid(sink_valid),
        .s_tready(sink_ready), .session(sink_session), .frame(sink_frame),
        .frames_equal(frames_equal), .frames_cut(frames_cut), .errors(sink_errors)
    );
    edf_mux_core #(.INPUTS(2)) u_mux_b (
        .ap_clk(clk), .ap_rst_n(rst_n_b), .s_tdata(b_out_data), .s_tkeep({128{1'b1}}), .s_tlast(b_out_last),
        .s_tdest(b_out_dest), .s_tvalid(b_out_valid), .s_tready(b_out_ready), .m_tdata(ba_data),
        .m_tkeep(ba_keep), .m_tlast(ba_last), .m_tdest(ba_dest), .m_tvalid(ba_valid),
        .m_tready(ba_ready)
    );

    // ---- the way back ------------------------------------------------------------------------
    generate
        if (DUPLEX != 0) begin : g_back
            logic [8*BYTES-1:0] back_source_data, back_sink_data;
            logic back_source_valid, back_source_ready, back_sink_valid, back_sink_ready;
            logic [31:0] back_sent;
            logic [319:0] back_tx_values;
            logic [63:0] keep_a, keep_b;
            edf_bench_source #(.BYTES(BYTES), .TRANSFERS(TRANSFERS)) u_source (
                .clk(clk), .rst(!rst_n_b), .session(session), .frames(frames), .rate(source_rate),
                .dice(dice_source[47:32]), .m_tdata(back_source_data),
                .m_tvalid(back_source_valid), .m_tready(back_source_ready), .frame(back_sent)
            );
            edf_tx_core #(
                .BYTES(BYTES), .TRANSFERS(TRANSFERS), .ROW(B_TX), .WINDOW_BEATS(WINDOW_BEATS),
                .PROBE_CYCLES(PROBE_CYCLES), .RESTART_CYCLES(RESTART_CYCLES)
            ) u_tx (
                .ap_clk(clk), .ap_rst_n(rst_n_b), .s_axis_tdata(back_source_data),
                .s_axis_tvalid(back_source_valid), .s_axis_tready(back_source_ready),
                .k2n_tdata(b_out_data[1023:512]), .k2n_tkeep(keep_b), .k2n_tlast(b_out_last[1]),
                .k2n_tdest(b_out_dest[31:16]), .k2n_tvalid(b_out_valid[1]),
                .k2n_tready(b_out_ready[1]), .n2k_tdata(b_in_data[1023:512]), .n2k_tkeep({64{1'b1}}), .n2k_tlast(b_in_last[1]),
                .n2k_tvalid(b_in_valid[1]), .n2k_tready(b_in_ready[1]), .values(back_tx_values)
            );
            edf_rx_core #(
                .BYTES(BYTES), .TRANSFERS(TRANSFERS), .ROW(A_RX), .FILL_MISSING(FILL_MISSING),
                .WINDOW_BEATS(WINDOW_BEATS), .CREDIT_STEP(CREDIT_STEP)
            ) u_rx (
                .ap_clk(clk), .ap_rst_n(rst_n_a), .n2k_tdata(a_in_data[1023:512]), .n2k_tkeep({64{1'b1}}), .n2k_tlast(a_in_last[1]),
                .n2k_tvalid(a_in_valid[1]), .n2k_tready(a_in_ready[1]),
                .k2n_tdata(a_out_data[1023:512]), .k2n_tkeep(keep_a), .k2n_tlast(a_out_last[1]),
                .k2n_tdest(a_out_dest[31:16]), .k2n_tvalid(a_out_valid[1]),
                .k2n_tready(a_out_ready[1]), .m_axis_tdata(back_sink_data),
                .m_axis_tvalid(back_sink_valid), .m_axis_tready(back_sink_ready),
                .values(back_rx_values)
            );
            edf_bench_sink #(.BYTES(BYTES), .TRANSFERS(TRANSFERS)) u_sink (
                .clk(clk), .rst(!rst_n_a), .clear(rst), .search(search), .rate(sink_rate),
                .rest_rate(rest_rate), .dice(dice_sink[63:32]), .s_tdata(back_sink_data),
                .s_tvalid(back_sink_valid), .s_tready(back_sink_ready), .session(back_session),
                .frame(back_frame), .frames_equal(back_equal), .frames_cut(back_cut),
                .errors(back_errors)
            );
        end else begin : g_one_way
            assign a_out_data[1023:512] = '0;
            assign a_out_last[1] = 0;
            assign a_out_valid[1] = 0;
            assign a_out_dest[31:16] = '0;
            assign a_in_ready[1] = 1;
            assign b_out_data[1023:512] = '0;
            assign b_out_last[1] = 0;
            assign b_out_valid[1] = 0;
            assign b_out_dest[31:16] = '0;
            assign b_in_ready[1] = 1;
            assign back_equal = 0;
            assign back_cut = 0;
            assign back_errors = 0;
            assign back_rx_values = '0;
            assign back_session = 0;
            assign back_frame = 0;
        end
    endgenerate

    assign taken = frames_equal + frames_cut;
    assign back_taken = back_equal + back_cut;
    assign errors = sink_errors + back_errors + ab_errors + ba_errors;
    assign overflows = ab_over + ba_over;
    assign injected = ab_drops + ab_repeats + ab_cuts + ab_flips
        + ba_drops + ba_repeats + ba_cuts + ba_flips;
    assign strays = ab_strays + ba_strays;
    assign strays_counted = demux_a_values[95:64] + demux_b_values[95:64];
endmodule
