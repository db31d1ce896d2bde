// Packs the transfers of a FINN stream densely into the beats of link packets. The first eight
// bytes of every packet are left zero for the header; a packet ends after 22 beats or with the
// frame, a frame starts a new packet, the last beat is padded with zeros.
`default_nettype none
module edf_tx_pack #(
    parameter int BYTES = 1,     // of a transfer, padding included
    parameter int TRANSFERS = 1  // of a frame
) (
    input  wire                clk,
    input  wire                rst,
    input  wire  [8*BYTES-1:0] s_data,
    input  wire                s_valid,
    output logic               s_ready,
    output logic [      511:0] m_data,
    output logic               m_last,
    output logic               m_valid,
    input  wire                m_ready
);
    localparam int COUNT_BITS = $clog2(TRANSFERS + 1);
    localparam logic [4:0] LAST_BEAT = 5'd21;

    // Chunks of at most 64 bytes.
    localparam int CHUNKS = (BYTES + 63) / 64;
    localparam int CHUNK_BITS = $clog2(CHUNKS + 1);
    localparam logic [6:0] TAIL_BYTES = BYTES - 64 * (CHUNKS - 1);
    localparam logic [CHUNK_BITS-1:0] CHUNKS_HERE = CHUNKS;

    localparam int NEXT_CHUNK = (CHUNKS > 1) ? 512 : 0;

    logic [512*CHUNKS-1:0] word;
    logic [CHUNK_BITS-1:0] chunks_left;
    logic [COUNT_BITS-1:0] transfers_left;
    logic word_last;
    logic chunk_ready;
    logic chunk_valid;
    logic chunk_tail;
    assign chunk_valid = chunks_left != 0;
    assign chunk_tail = chunks_left == 1;
    assign s_ready = !chunk_valid || (chunk_tail && chunk_ready);

    always_ff @(posedge clk) begin
        if (s_ready) word <= s_data;
        else if (chunk_ready) word <= word >> NEXT_CHUNK;
    end

    always_ff @(posedge clk) begin
        if (rst) begin
            chunks_left <= '0;
            transfers_left <= TRANSFERS;
            word_last <= 1'b0;
        end else begin
            if (s_ready) chunks_left <= s_valid ? CHUNKS_HERE : {CHUNK_BITS{1'b0}};
            else if (chunk_ready) chunks_left <= chunks_left - 1'b1;
            if (s_valid && s_ready) begin
                word_last <= transfers_left == 1;
                transfers_left <= (transfers_left == 1) ? TRANSFERS : transfers_left - 1'b1;
            end
        end
    end

    // Beats.
    logic [511:0] unit;
    logic unit_last;
    logic [4:0] beat;
    edf_gearbox #(
        .OUT_BYTES(64)
    ) u_gearbox (
        .clk(clk),
        .rst(rst),
        .s_data(word[511:0]),
        .s_bytes(chunk_tail ? TAIL_BYTES : 7'd64),
        .s_last(chunk_tail && word_last),
        .s_valid(chunk_valid),
        .s_ready(chunk_ready),
        .m_short(beat == 0),
        .m_data(unit),
        .m_last(unit_last),
        .m_valid(m_valid),
        .m_ready(m_ready)
    );
    assign m_data = (beat == 0) ? {unit[447:0], 64'b0} : unit;
    assign m_last = unit_last || beat == LAST_BEAT;

    always_ff @(posedge clk) begin
        if (rst) beat <= 5'd0;
        else if (m_valid && m_ready) beat <= m_last ? 5'd0 : beat + 1'b1;
    end
endmodule
`default_nettype wire
