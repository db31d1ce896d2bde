// Takes packets from the network without ever stalling it, keeps those that are whole and in
// order in a buffer, notices what is missing, and returns credit for what has been used up.
`default_nettype none
module edf_rx_take #(
    parameter int WINDOW_BEATS = 704,   // as the sender's
    parameter int LOG_DEPTH = 10,       // 2**LOG_DEPTH beats of buffer, at least WINDOW_BEATS + 16
    parameter int CREDIT_STEP = 88,     // beats used up that are worth a credit packet
    parameter int CREDIT_CYCLES = 512   // after which fewer are worth one too
) (
    input  wire          clk,
    input  wire          rst,
    // from the network
    input  wire  [511:0] n_data,
    input  wire          n_last,
    input  wire          n_valid,
    // kept packets, header first; `gap` on the first beat says that something before is missing
    output logic [511:0] m_data,
    output logic         m_last,
    output logic         m_gap,
    output logic         m_valid,
    input  wire          m_ready,
    // credit to the network
    output logic [511:0] c_data,
    output logic         c_valid,
    input  wire          c_ready,
    // what can be read
    output logic         synced,
    output logic [ 15:0] occupancy,
    output logic [ 31:0] packets_taken,
    output logic [ 31:0] packets_bad,
    output logic [ 31:0] packets_repeated,
    output logic [ 31:0] gaps,
    output logic [ 31:0] beats_lost,
    output logic [ 31:0] greetings,
    output logic [ 31:0] credits_sent
);
    localparam logic [15:0] WINDOW = WINDOW_BEATS;
    localparam logic [15:0] STEP = CREDIT_STEP;
    localparam logic [3:0] CONTROL_ROOM = 4'd8;
    localparam int TIMER_BITS = $clog2(CREDIT_CYCLES + 1);

    // ---- stage 0: register; stage 1: take the header apart -----------------------------------
    logic [511:0] data0, data1;
    logic valid0, valid1, last0, last1, begins0, begins1;
    logic h_sound, h_data, h_credit, h_probe, h_sync, h_fresh, h_first, h_last;
    logic [10:0] h_length;
    logic [15:0] h_frame, h_position;
    logic [4:0] h_beats;
    edf_header u_header (
        .header(data0[63:0]),
        .sound(h_sound),
        .is_data(h_data),
        .is_credit(h_credit),
        .is_probe(h_probe),
        .is_sync(h_sync),
        .fresh(h_fresh),
        .first(h_first),
        .last(h_last),
        .length(h_length),
        .frame(h_frame),
        .position(h_position),
        .beats(h_beats)
    );
    logic is_data1, is_control1, is_sync1;
    logic [15:0] position1;
    logic [4:0] beats1;
    always_ff @(posedge clk) begin
        data0 <= n_data;
        last0 <= n_last;
        data1 <= data0;
        last1 <= last0;
        begins1 <= begins0;
        is_data1 <= h_sound && h_data;
        is_control1 <= h_sound && (h_probe || h_sync);
        is_sync1 <= h_sync;
        position1 <= h_position;
        beats1 <= h_beats;
        if (rst) begin
            valid0 <= 1'b0;
            valid1 <= 1'b0;
            begins0 <= 1'b1;
        end else begin
            valid0 <= n_valid;
            valid1 <= valid0;
            if (valid0) begins0 <= last0;
        end
    end

    // ---- judge -------------------------------------------------------------------------------
    logic [15:0] expected;
    logic fresh;
    logic [LOG_DEPTH:0] data_held;
    logic [3:0] control_held;

    logic [15:0] missing;
    logic near, repeated, room, take, news;
    assign missing = position1 - expected;
    assign near = missing <= WINDOW;
    assign repeated = synced && is_data1 && !near;
    assign room = data_held + beats1 <= WINDOW_BEATS;
    assign news = !synced || missing != 0 || (is_sync1 && !fresh);
    assign take = (is_data1 && !repeated && room) || (is_control1 && control_held < CONTROL_ROOM);

    // What the first beat decided holds for the packet.
    logic taking_r, data_r, control_r, sync_r, news_r, repeated_r;
    logic [15:0] missing_r, position_r;
    logic [4:0] beats_r, beat_r;
    logic taking, is_data, is_control, is_sync, has_news, is_repeated;
    logic [15:0] gap_beats, position;
    logic [4:0] beats, beat;
    assign taking = begins1 ? take : taking_r;
    assign is_data = begins1 ? is_data1 : data_r;
    assign is_control = begins1 ? is_control1 : control_r;
    assign is_sync = begins1 ? is_sync1 : sync_r;
    assign has_news = begins1 ? news : news_r;
    assign is_repeated = begins1 ? repeated : repeated_r;
    assign gap_beats = begins1 ? missing : missing_r;
    assign position = begins1 ? position1 : position_r;
    assign beats = begins1 ? beats1 : beats_r;
    assign beat = begins1 ? 5'd1 : beat_r;
    always_ff @(posedge clk) begin
        if (valid1) begin
            taking_r <= taking;
            data_r <= is_data;
            control_r <= is_control;
            sync_r <= is_sync;
            news_r <= has_news;
            repeated_r <= is_repeated;
            missing_r <= gap_beats;
            position_r <= position;
            beats_r <= beats;
            beat_r <= (beat == 5'd31) ? 5'd31 : beat + 1'b1;
        end
    end

    logic ends, whole, keep_data, keep_control, store;
    assign ends = valid1 && last1;
    assign whole = ends && taking && beat == beats;
    assign keep_data = whole && is_data;
    assign keep_control = whole && is_control;
    assign store = keep_data || (keep_control && has_news);

    // ---- buffer ------------------------------------------------------------------------------
    (* ram_style = "block" *)
    logic [513:0] memory[0:(1<<LOG_DEPTH)-1];
    logic [LOG_DEPTH-1:0] write_at, kept_to, read_at;
    always_ff @(posedge clk) begin
        if (valid1 && taking && beat <= beats)
            memory[write_at] <= {begins1 && (!synced || missing != 0), last1, data1};
    end

    // Reads are issued when the little FIFO behind the memory has room for all that are under way.
    logic [513:0] fetched, fetched_out;
    logic fetching, fetched_valid;
    logic [2:0] shown;
    logic issue, shown_ready;
    assign issue = read_at != kept_to && {1'b0, shown} + fetching + fetched_valid < 4'd4;
    always_ff @(posedge clk) begin
        fetched <= memory[read_at];
        fetched_out <= fetched;
        if (rst) begin
            fetching <= 1'b0;
            fetched_valid <= 1'b0;
        end else begin
            fetching <= issue;
            fetched_valid <= fetching;
        end
    end
    edf_fifo #(
        .WIDTH(514),
        .LOG_DEPTH(2)
    ) u_shown (
        .clk(clk),
        .rst(rst),
        .s_data(fetched_out),
        .s_valid(fetched_valid),
        .s_ready(shown_ready),
        .m_data({m_gap, m_last, m_data}),
        .m_valid(m_valid),
        .m_ready(m_ready),
        .count(shown)
    );

    // ---- what the output uses up -------------------------------------------------------------
    logic used, used_control, out_begins, out_data_r, out_data;
    assign used = m_valid && m_ready;
    assign out_data = out_begins ? m_data[3:0] == 4'd1 : out_data_r;
    assign used_control = used && !out_data;

    logic [15:0] done;  // position up to which everything is used up or lost
    logic [15:0] told;
    logic [TIMER_BITS-1:0] timer;
    logic done_fresh;
    logic heard, asked, worth, credit_free, credit_load;
    logic [55:0] credit_fields;
    logic [7:0] crc;
    edf_crc8 u_crc (
        .fields(credit_fields),
        .crc(crc)
    );
    // A credit goes out through a register for its fields and one for the packet.
    logic formed;
    assign worth = (done - told >= STEP) || (done != told && timer == 0) || asked;
    assign credit_free = !c_valid || c_ready;
    assign credit_load = worth && synced && !formed;
    assign occupancy = data_held;

    always_ff @(posedge clk) begin
        if (rst) begin
            write_at <= '0;
            kept_to <= '0;
            read_at <= '0;
            synced <= 1'b0;
            fresh <= 1'b0;
            expected <= 16'd0;
            data_held <= '0;
            control_held <= 4'd0;
            out_begins <= 1'b1;
            out_data_r <= 1'b0;
            packets_taken <= 32'd0;
            packets_bad <= 32'd0;
            packets_repeated <= 32'd0;
            gaps <= 32'd0;
            beats_lost <= 32'd0;
            greetings <= 32'd0;
        end else begin
            if (issue) read_at <= read_at + 1'b1;
            if (valid1 && taking && beat <= beats) write_at <= write_at + 1'b1;
            if (ends) begin
                if (store) kept_to <= write_at + 1'b1;
                else write_at <= kept_to;
            end
            if (keep_data || keep_control) begin
                synced <= 1'b1;
                fresh <= is_control && is_sync;
                expected <= position + (is_data ? beats : 5'd0);
                if (synced && gap_beats != 0) begin
                    if (!(is_control && is_sync)) gaps <= gaps + 1'b1;
                    if (gap_beats <= WINDOW && !(is_control && is_sync))
                        beats_lost <= beats_lost + gap_beats;
                end
            end
            if (keep_data) packets_taken <= packets_taken + 1'b1;
            if (keep_control && is_sync) greetings <= greetings + 1'b1;
            if (ends && is_repeated) packets_repeated <= packets_repeated + 1'b1;
            if (ends && !whole && !is_repeated && !is_control) packets_bad <= packets_bad + 1'b1;

            if (used) begin
                out_begins <= m_last;
                out_data_r <= out_data;
            end
            data_held <= data_held + (keep_data ? beats : 5'd0) - (used && out_data);
            control_held <= control_held + (keep_control && has_news) - used_control;
        end
    end

    always_ff @(posedge clk) begin
        done <= expected - data_held;
        done_fresh <= fresh;
        heard <= keep_control && !rst;  // answered once `done` knows of it
        if (rst || !synced) begin
            told <= done;
            timer <= CREDIT_CYCLES;
            asked <= 1'b0;
            formed <= 1'b0;
            c_valid <= 1'b0;
            if (rst) credits_sent <= 32'd0;
        end else begin
            if (heard) asked <= 1'b1;
            else if (credit_load) asked <= 1'b0;
            if (done == told || credit_load) timer <= CREDIT_CYCLES;
            else if (timer != 0) timer <= timer - 1'b1;
            if (credit_load) told <= done;

            if (credit_load) formed <= 1'b1;
            else if (credit_free) formed <= 1'b0;
            if (credit_free) begin
                c_valid <= formed;
                if (formed) credits_sent <= credits_sent + 1'b1;
            end
        end
        if (credit_load) credit_fields <= {done, 16'd0, 4'b0, done_fresh, 11'd0, 4'd1, 4'd2};
        if (credit_free) c_data <= {448'b0, crc, credit_fields};
    end
endmodule
`default_nettype wire
