// Makes whole frames of the packets kept: a frame that has begun is always completed, with zeros
// if need be; frames of which nothing was begun are replaced by zeros or left out. The stream that
// comes out holds whole frames only.
`default_nettype none
module edf_rx_frames #(
    parameter int BYTES = 1,        // of a transfer, padding included
    parameter int TRANSFERS = 1,    // of a frame
    parameter int FILL_MISSING = 1  // 1: zeros in place of frames wholly lost; 0: leave them out
) (
    input  wire                 clk,
    input  wire                 rst,
    input  wire  [       511:0] s_data,
    input  wire                 s_last,
    input  wire                 s_gap,
    input  wire                 s_valid,
    output logic                s_ready,
    output logic [8*BYTES-1:0]  m_data,
    output logic                m_valid,
    input  wire                 m_ready,
    output logic                in_frame,
    output logic [        31:0] frames_whole,
    output logic [        31:0] frames_broken,
    output logic [        31:0] frames_missing,
    output logic [        31:0] realigned
);
    localparam logic [31:0] WHOLE = BYTES * TRANSFERS;
    localparam logic [15:0] MOST_MISSING = 16'd1024;

    localparam logic [2:0] HEAD = 3'd0;   // wait for a packet, take its header apart
    localparam logic [2:0] WEIGH = 3'd1;  // compare with the frame in hand
    localparam logic [2:0] JUDGE = 3'd2;  // decide
    localparam logic [2:0] COPY = 3'd3;   // payload to the stream
    localparam logic [2:0] DROP = 3'd4;   // packet without use
    localparam logic [2:0] ZERO = 3'd5;   // fill the frame
    logic [2:0] state;

    logic sound, is_data, is_credit, is_probe, is_sync, fresh, first, last;
    logic [10:0] length;
    logic [15:0] frame, position;
    logic [4:0] beats;
    edf_header u_header (
        .header(s_data[63:0]),
        .sound(sound),
        .is_data(is_data),
        .is_credit(is_credit),
        .is_probe(is_probe),
        .is_sync(is_sync),
        .fresh(fresh),
        .first(first),
        .last(last),
        .length(length),
        .frame(frame),
        .position(position),
        .beats(beats)
    );

    logic data_r, sync_r, first_r, last_r, gap_r;
    logic [10:0] length_r;
    logic [15:0] frame_r;

    logic [15:0] next_frame;  // in hand, or the next to begin
    logic adopt;              // no number is expected: take the first that comes
    logic [31:0] bytes_left;  // of the frame in hand
    logic [15:0] ahead;
    logic fits;

    // Towards the gearbox.
    logic [511:0] chunk;
    logic [6:0] chunk_bytes;
    logic chunk_valid, chunk_ready, chunk_free;
    logic [10:0] copy_left;
    logic begins;
    logic [6:0] offered, wanted, copied, zeroed;
    logic [511:0] payload, masked;
    assign chunk_free = !chunk_valid || chunk_ready;
    assign offered = begins ? 7'd56 : 7'd64;
    assign copied = (copy_left < offered) ? copy_left[6:0] : offered;
    assign zeroed = (bytes_left < 64) ? bytes_left[6:0] : 7'd64;
    assign payload = begins ? {64'b0, s_data[511:64]} : s_data;
    always_comb masked = payload & ~({512{1'b1}} << {copied, 3'b000});

    assign s_ready = (state == COPY && chunk_free) || state == DROP;

    always_ff @(posedge clk) begin
        if (chunk_free) begin
            chunk <= (state == COPY) ? masked : 512'b0;
            chunk_bytes <= (state == COPY) ? copied : zeroed;
        end
    end

    always_ff @(posedge clk) begin
        if (rst) begin
            state <= HEAD;
            next_frame <= 16'd0;
            adopt <= 1'b1;
            in_frame <= 1'b0;
            bytes_left <= WHOLE;
            chunk_valid <= 1'b0;
            begins <= 1'b1;
            copy_left <= 11'd0;
            frames_whole <= 32'd0;
            frames_broken <= 32'd0;
            frames_missing <= 32'd0;
            realigned <= 32'd0;
        end else begin
            if (chunk_ready) chunk_valid <= 1'b0;
            case (state)
                HEAD: begin
                    data_r <= is_data;
                    sync_r <= is_sync;
                    first_r <= first;
                    last_r <= last;
                    length_r <= length;
                    frame_r <= frame;
                    gap_r <= s_gap;
                    begins <= 1'b1;
                    if (s_valid) state <= WEIGH;
                end
                WEIGH: begin
                    ahead <= frame_r - next_frame;
                    fits <= length_r <= bytes_left && (length_r == bytes_left) == last_r;
                    copy_left <= length_r;
                    state <= JUDGE;
                end
                JUDGE: begin
                    if (in_frame) begin
                        if (data_r && !gap_r && !first_r && ahead == 0 && fits) state <= COPY;
                        else if (!data_r && !gap_r && !sync_r) state <= DROP;
                        else begin
                            frames_broken <= frames_broken + 1'b1;
                            state <= ZERO;
                        end
                    end else if (sync_r) begin
                        next_frame <= frame_r;
                        adopt <= 1'b0;
                        state <= DROP;
                    end else if (adopt) begin
                        next_frame <= frame_r;
                        if (data_r && first_r && fits) begin
                            adopt <= 1'b0;
                            in_frame <= 1'b1;
                            state <= COPY;
                        end else state <= DROP;
                    end else if (ahead == 0) begin
                        if (!data_r) state <= DROP;
                        else if (first_r && fits) begin
                            in_frame <= 1'b1;
                            state <= COPY;
                        end else begin  // its beginning is lost
                            frames_missing <= frames_missing + 1'b1;
                            if (FILL_MISSING != 0) begin
                                in_frame <= 1'b1;
                                state <= ZERO;
                            end else begin
                                next_frame <= next_frame + 1'b1;
                                state <= DROP;
                            end
                        end
                    end else if (ahead == 16'hFFFF) state <= DROP;  // of a frame already given up
                    else if (ahead <= MOST_MISSING) begin
                        frames_missing <= frames_missing + 1'b1;
                        if (FILL_MISSING != 0) begin
                            in_frame <= 1'b1;
                            state <= ZERO;
                        end else begin
                            next_frame <= next_frame + 1'b1;
                            state <= WEIGH;
                        end
                    end else begin
                        realigned <= realigned + 1'b1;
                        adopt <= 1'b1;
                    end
                end
                COPY: if (s_valid && chunk_free) begin
                    begins <= 1'b0;
                    chunk_valid <= 1'b1;
                    copy_left <= copy_left - copied;
                    bytes_left <= bytes_left - copied;
                    if (s_last) begin
                        state <= HEAD;
                        if (last_r) begin
                            frames_whole <= frames_whole + 1'b1;
                            in_frame <= 1'b0;
                            next_frame <= next_frame + 1'b1;
                            bytes_left <= WHOLE;
                        end
                    end
                end
                ZERO: if (chunk_free) begin
                    chunk_valid <= 1'b1;
                    bytes_left <= bytes_left - zeroed;
                    if (bytes_left <= 64) begin
                        in_frame <= 1'b0;
                        next_frame <= next_frame + 1'b1;
                        bytes_left <= WHOLE;
                        state <= WEIGH;
                    end
                end
                default: if (s_valid && s_last) state <= HEAD;  // DROP
            endcase
        end
    end

    logic whole_unit;
    edf_gearbox #(
        .OUT_BYTES(BYTES)
    ) u_gearbox (
        .clk(clk),
        .rst(rst),
        .s_data(chunk),
        .s_bytes(chunk_bytes),
        .s_last(1'b0),
        .s_valid(chunk_valid),
        .s_ready(chunk_ready),
        .m_short(1'b0),
        .m_data(m_data),
        .m_last(whole_unit),
        .m_valid(m_valid),
        .m_ready(m_ready)
    );
endmodule
`default_nettype wire
