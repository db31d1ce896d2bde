// One direction between two network layers, seen from the kernels: packets are stored until TLAST,
// take their time on a 100 Gb/s cable, arrive after `latency` cycles in order, and are lost when the
// 48 KiB of the receiver are full. On top of that packets are lost, repeated, cut short, or get up
// to three wrong header bits, each in `..._rate` of 65536 packets.
module edf_bench_wire #(
    parameter int MOST_BEATS = 22,
    parameter int RECEIVER_BEATS = 768
) (
    input  logic         clk,
    input  logic         rst,
    input  logic [ 63:0] dice,
    input  logic [ 15:0] latency,
    input  logic [ 15:0] byte_cycles,   // thousandths of a cycle per byte: 24 at 300 MHz, 100 Gb/s
    input  logic [ 15:0] drop_rate,
    input  logic [ 15:0] repeat_rate,
    input  logic [ 15:0] cut_rate,
    input  logic [ 15:0] flip_rate,
    input  logic [ 15:0] stray_rate,    // a copy of the packet also goes to a row nobody has
    input  logic [ 16:0] rate,          // of the receiving network layer's beats
    input  logic [511:0] s_tdata,
    input  logic         s_tlast,
    input  logic [ 15:0] s_tdest,
    input  logic         s_tvalid,
    output logic         s_tready,
    output logic [511:0] m_tdata,
    output logic         m_tlast,
    output logic [ 15:0] m_tdest,
    output logic         m_tvalid,
    input  logic         m_tready,
    output logic [ 31:0] packets,
    output logic [ 31:0] drops,
    output logic [ 31:0] repeats,
    output logic [ 31:0] data_repeats,
    output logic [ 31:0] cuts,
    output logic [ 31:0] flips,
    output logic [ 31:0] strays,
    output logic [ 31:0] overflows,     // lost for lack of room at the receiver
    output logic [ 31:0] frames_hit,    // frames with at least one packet lost or made useless
    output logic [ 31:0] errors,        // rules of the network layer broken by the sender
    output logic [ 63:0] wire_bytes     // with the 66 bytes of overhead
);
    localparam int BEATS = 8192;
    localparam int PACKETS = 8192;

    logic [511:0] beat_data [0:BEATS-1];
    logic [ 12:0] beats_in;
    // Packets in flight: where, how long, when.
    logic [ 12:0] packet_start [0:PACKETS-1];
    logic [  4:0] packet_beats [0:PACKETS-1];
    logic [ 15:0] packet_dest  [0:PACKETS-1];
    logic [ 63:0] packet_due   [0:PACKETS-1];
    logic [ 12:0] packets_in, packets_arrived, packets_out;

    logic [63:0] now, wire_free;   // thousandths of a cycle
    logic [31:0] beats_here;       // in the packet being stored
    logic [12:0] start_here;
    logic [15:0] receiver_held;
    logic [4:0] out_beat;
    logic [16:0] last_hit;

    integer copies;
    logic [4:0] kept_beats;
    logic [63:0] begin_at;
    logic hit, is_data;
    logic [15:0] hit_frame;
    logic [511:0] first_beat;
    logic [12:0] at;
    always @(posedge clk) begin
        if (rst) begin
            s_tready <= 0;
            m_tvalid <= 0;
            out_beat = 0;
            beats_in = 0; packets_in = 0; packets_arrived = 0; packets_out = 0;
            now = 0; wire_free = 0; beats_here = 0; start_here = 0; receiver_held = 0;
            packets = 0; drops = 0; repeats = 0; data_repeats = 0; cuts = 0; flips = 0; strays = 0; overflows = 0;
            frames_hit = 0; errors = 0; wire_bytes = 0; last_hit = 17'h10000;
        end else begin
            now = now + 64'd1000;
            if (s_tvalid && s_tready) begin
                beat_data[beats_in] = s_tdata;
                beats_in = beats_in + 1;
                beats_here = beats_here + 1;
                if (s_tlast) begin
                    first_beat = beat_data[start_here];
                    is_data = first_beat[3:0] == 4'd1;
                    hit_frame = first_beat[39:24];
                    hit = 0;
                    packets = packets + 1;
                    wire_bytes = wire_bytes + 64 * beats_here + 66;
                    if (beats_here > MOST_BEATS) errors = errors + 1;
                    begin_at = (wire_free > now) ? wire_free : now;
                    wire_free = begin_at + (64 * beats_here + 66) * byte_cycles;
                    kept_beats = beats_here[4:0];
                    copies = 1;
                    if (dice[15:0] < drop_rate) begin
                        copies = 0;
                        hit = 1;
                        drops = drops + 1;
                    end else if (dice[31:16] < repeat_rate) begin
                        copies = 2;
                        repeats = repeats + 1;
                        if (is_data) data_repeats = data_repeats + 1;
                    end else if (dice[47:32] < flip_rate) begin
                        first_beat[dice[5:0]] = !first_beat[dice[5:0]];
                        if (dice[6] && dice[5:0] != dice[12:7])
                            first_beat[dice[12:7]] = !first_beat[dice[12:7]];
                        beat_data[start_here] = first_beat;
                        hit = 1;
                        flips = flips + 1;
                    end else if (dice[63:48] < cut_rate && kept_beats > 1) begin
                        kept_beats = kept_beats - 1;
                        hit = 1;
                        cuts = cuts + 1;
                    end
                    if (hit && is_data && last_hit != {1'b0, hit_frame}) begin
                        frames_hit = frames_hit + 1;
                        last_hit = {1'b0, hit_frame};
                    end
                    if ({dice[7:0], dice[63:56]} < stray_rate && copies == 1) begin
                        strays = strays + 1;
                        packet_start[packets_in] = start_here;
                        packet_beats[packets_in] = kept_beats;
                        packet_dest[packets_in] = 16'd999;
                        packet_due[packets_in] = wire_free + latency * 64'd1000;
                        packets_in = packets_in + 1;
                    end
                    while (copies > 0) begin
                        packet_start[packets_in] = start_here;
                        packet_beats[packets_in] = kept_beats;
                        packet_dest[packets_in] = s_tdest + 16'd4;  // another row at the other end
                        packet_due[packets_in] = wire_free + latency * 64'd1000;
                        packets_in = packets_in + 1;
                        copies = copies - 1;
                    end
                    beats_here = 0;
                    start_here = beats_in;
                end
            end
            // Arrival: room for all of it, or lost. Lost packets stay in the list with no beats.
            while (packets_arrived != packets_in && packet_due[packets_arrived] <= now) begin
                if (receiver_held + packet_beats[packets_arrived] > RECEIVER_BEATS) begin
                    overflows = overflows + 1;
                    packet_beats[packets_arrived] = 0;
                end else receiver_held = receiver_held + packet_beats[packets_arrived];
                packets_arrived = packets_arrived + 1;
            end
            if (m_tvalid && m_tready) receiver_held = receiver_held - 1;
            // Out of the receiver's buffer, a beat per cycle at most.
            if (!m_tvalid || m_tready) begin
                m_tvalid <= 0;
                while (packets_out != packets_arrived && packet_beats[packets_out] == 0)
                    packets_out = packets_out + 1;
                if (packets_out != packets_arrived && {1'b0, dice[40:25]} < rate) begin
                    at = packet_start[packets_out] + {8'b0, out_beat};
                    m_tdata <= beat_data[at];
                    m_tdest <= packet_dest[packets_out];
                    m_tlast <= out_beat + 5'd1 == packet_beats[packets_out];
                    m_tvalid <= 1;
                    out_beat = out_beat + 1;
                    if (out_beat == packet_beats[packets_out]) begin
                        out_beat = 0;
                        packets_out = packets_out + 1;
                    end
                end
            end
            s_tready <= wire_free < now + 64'd410_000;  // 256 beats stored ahead of the wire
        end
    end
endmodule
