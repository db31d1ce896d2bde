// Regroups a byte stream: chunks of 1..64 bytes in, units of OUT_BYTES (or 8 fewer) out.
// One chunk in and one unit out per cycle. The bytes of a chunk above s_bytes must be zero.
// After a chunk marked last the rest is handed out, padded with zeros, before more is taken.
`default_nettype none
module edf_gearbox #(
    parameter int OUT_BYTES = 64
) (
    input  wire                    clk,
    input  wire                    rst,
    input  wire  [          511:0] s_data,
    input  wire  [            6:0] s_bytes,
    input  wire                    s_last,
    input  wire                    s_valid,
    output logic                   s_ready,
    input  wire                    m_short,  // hand out OUT_BYTES - 8 bytes this time
    output logic [8*OUT_BYTES-1:0] m_data,
    output logic                   m_last,
    output logic                   m_valid,
    input  wire                    m_ready
);
    // A unit may be one byte short when the next whole chunk must still find room.
    localparam int LANES = (OUT_BYTES + 63 + 63) / 64;
    localparam int HELD_BYTES = 64 * LANES;
    localparam int COUNT_BITS = $clog2(HELD_BYTES + 65);
    localparam logic [COUNT_BITS-1:0] LONG_UNIT = OUT_BYTES;
    localparam logic [COUNT_BITS-1:0] SHORT_UNIT = (OUT_BYTES > 8) ? OUT_BYTES - 8 : OUT_BYTES;
    localparam logic [COUNT_BITS-1:0] ROOM = HELD_BYTES - 64;

    logic [8*HELD_BYTES-1:0] held;
    logic [COUNT_BITS-1:0] count;
    logic flushing;

    logic [COUNT_BITS-1:0] unit;
    logic [COUNT_BITS-1:0] count_left;
    logic pop;
    logic push;
    assign unit = m_short ? SHORT_UNIT : LONG_UNIT;
    assign m_data = held[8*OUT_BYTES-1:0];
    assign m_valid = (count >= unit) || (flushing && count != 0);
    assign m_last = flushing && count <= unit;
    assign pop = m_valid && m_ready;
    assign count_left = !pop ? count : m_last ? {COUNT_BITS{1'b0}} : count - unit;
    assign s_ready = !flushing && count_left <= ROOM;
    assign push = s_valid && s_ready;

    // The chunk goes to byte `count`: shifted inside a pair of 64-byte lanes, then to the pair.
    logic [1023:0] shifted;
    logic [8*HELD_BYTES+511:0] joined;
    logic [8*HELD_BYTES+511:0] held_next;
    always_comb begin
        shifted = push ? {512'b0, s_data} << {count[5:0], 3'b000} : 1024'b0;
        joined = held;
        joined = joined | (shifted << {count[COUNT_BITS-1:6], 9'b0});
    end

    always_comb begin
        if (!pop) held_next = joined;
        else if (m_short) held_next = joined >> (8 * SHORT_UNIT);
        else held_next = joined >> (8 * LONG_UNIT);
    end

    always_ff @(posedge clk) begin
        if (rst) begin
            held <= '0;
            count <= '0;
            flushing <= 1'b0;
        end else begin
            held <= held_next[8*HELD_BYTES-1:0];
            count <= count_left + (push ? s_bytes : 7'd0);
            if (push) flushing <= s_last;
            else if (pop && m_last) flushing <= 1'b0;
        end
    end
endmodule
`default_nettype wire
