// Sends complete packets as the receiver's credit allows, numbers them, and keeps the link alive:
// SYNC until the receiver has heard of this sender's start, PROBE when credit stays away.
`default_nettype none
module edf_tx_send #(
    parameter int FRAME_BYTES = 1,
    parameter int WINDOW_BEATS = 704,      // most beats under way or in the receiver's buffer
    parameter int PROBE_CYCLES = 16384,    // without credit, before asking
    parameter int RESTART_CYCLES = 16384   // silence after reset: nothing older is under way then
) (
    input  wire          clk,
    input  wire          rst,
    // whole packets
    input  wire  [511:0] s_data,
    input  wire          s_valid,
    output logic         s_ready,
    input  wire          s_complete,       // at least one whole packet waits
    output logic         s_taken,          // it is being sent
    // to the network
    output logic [511:0] m_data,
    output logic         m_last,
    output logic         m_valid,
    input  wire          m_ready,
    // credit from the network
    input  wire  [511:0] n_data,
    input  wire          n_last,
    input  wire          n_valid,
    // what can be read
    output logic         running,
    output logic         starved,
    output logic [ 15:0] in_flight,
    output logic [ 31:0] frames_sent,
    output logic [ 31:0] packets_sent,
    output logic [ 31:0] credits_taken,
    output logic [ 31:0] credits_bad,
    output logic [ 31:0] probes_sent,
    output logic [ 31:0] starved_cycles
);
    localparam logic [15:0] WINDOW = WINDOW_BEATS;
    localparam logic [31:0] WHOLE = FRAME_BYTES;
    localparam logic [31:0] MAX_DATA = 32'd1400;
    localparam int TIMER_BITS =
        $clog2((PROBE_CYCLES > RESTART_CYCLES ? PROBE_CYCLES : RESTART_CYCLES) + 1);

    localparam logic [1:0] QUIET = 2'd0;
    localparam logic [1:0] GREET = 2'd1;
    localparam logic [1:0] RUN = 2'd2;
    logic [1:0] phase;
    assign running = phase == RUN;

    // ---- credit ------------------------------------------------------------------------------
    logic n_begins;
    logic c_sound, c_data, c_credit, c_probe, c_sync, c_fresh, c_first, c_last;
    logic [10:0] c_length;
    logic [15:0] c_frame, c_position;
    logic [4:0] c_beats;
    logic [63:0] heard_header;
    logic heard;
    logic heard_last;
    edf_header u_credit (
        .header(heard_header),
        .sound(c_sound),
        .is_data(c_data),
        .is_credit(c_credit),
        .is_probe(c_probe),
        .is_sync(c_sync),
        .fresh(c_fresh),
        .first(c_first),
        .last(c_last),
        .length(c_length),
        .frame(c_frame),
        .position(c_position),
        .beats(c_beats)
    );

    logic credit_valid;
    logic credit_sound;
    logic credit_fresh;
    logic [15:0] credit;
    always_ff @(posedge clk) begin
        if (rst) begin
            n_begins <= 1'b1;
            heard <= 1'b0;
            credit_valid <= 1'b0;
        end else begin
            if (n_valid) n_begins <= n_last;
            heard <= n_valid && n_begins;
            credit_valid <= heard;
        end
        heard_header <= n_data[63:0];
        heard_last <= n_last;
        credit_sound <= c_sound && c_credit && heard_last;
        credit_fresh <= c_fresh;
        credit <= c_position;
    end

    logic [15:0] position;
    logic [15:0] credited;
    logic [15:0] owed;
    logic credit_fits;
    assign in_flight = position - credited;
    assign owed = position - credit;
    assign credit_fits = credit_valid && credit_sound
        && ((phase == RUN && owed <= in_flight)
            || (phase == GREET && credit_fresh && owed <= WINDOW));

    // ---- the next packet ---------------------------------------------------------------------
    logic [31:0] bytes_left;
    logic [15:0] frame;
    logic [10:0] length;
    logic [10:0] padded;
    logic [4:0] beats;
    logic first;
    logic last;
    logic affordable;
    assign padded = length + 11'd71;
    assign beats = padded[10:6];
    always_ff @(posedge clk) begin
        length <= (bytes_left > MAX_DATA) ? MAX_DATA[10:0] : bytes_left[10:0];
        last <= bytes_left <= MAX_DATA;
        first <= bytes_left == WHOLE;
        affordable <= phase == RUN && in_flight + beats <= WINDOW;
    end

    // ---- sending -----------------------------------------------------------------------------
    localparam logic [1:0] PICK = 2'd0;  // choose, and fix the header
    localparam logic [1:0] HEAD = 2'd1;
    localparam logic [1:0] BODY = 2'd2;
    logic [1:0] step;
    logic [1:0] settling;  // cycles until `affordable` and the others know of the packet just sent
    logic [55:0] fields;
    logic [7:0] crc;
    logic carries;
    logic [4:0] beats_left;
    logic [TIMER_BITS-1:0] timer;
    logic due;
    logic free;
    logic [3:0] control_kind;
    edf_crc8 u_crc (
        .fields(fields),
        .crc(crc)
    );
    assign free = !m_valid || m_ready;
    assign control_kind = (phase == RUN) ? 4'd3 : 4'd4;
    assign s_ready = free && ((step == HEAD && carries) || step == BODY);
    assign s_taken = step == HEAD && carries && free;
    assign starved = phase == RUN && step == PICK && settling == 0 && s_complete && !affordable;

    always_ff @(posedge clk) begin
        if (free) begin
            m_data <= carries ? s_data : 512'b0;
            if (step == HEAD) m_data[63:0] <= {crc, fields};
            m_last <= (step == HEAD) ? beats_left == 1 : beats_left == 1 && step == BODY;
        end
    end

    always_ff @(posedge clk) begin
        if (rst) begin
            phase <= QUIET;
            step <= PICK;
            settling <= 2'd2;
            timer <= RESTART_CYCLES;
            due <= 1'b0;
            position <= 16'd0;
            credited <= 16'd0;
            bytes_left <= WHOLE;
            frame <= 16'd0;
            m_valid <= 1'b0;
            carries <= 1'b0;
            beats_left <= 5'd0;
            fields <= 56'd0;
            frames_sent <= 32'd0;
            packets_sent <= 32'd0;
            credits_taken <= 32'd0;
            credits_bad <= 32'd0;
            probes_sent <= 32'd0;
            starved_cycles <= 32'd0;
        end else begin
            if (starved) starved_cycles <= starved_cycles + 1'b1;

            // Timers: the greeting is repeated, and a probe follows a long wait for credit.
            if (phase == RUN && in_flight == 0) begin
                timer <= PROBE_CYCLES;
                due <= 1'b0;
            end else if (timer != 0) timer <= timer - 1'b1;
            else begin
                timer <= PROBE_CYCLES;
                due <= 1'b1;
                if (phase == QUIET) phase <= GREET;
            end

            if (free) m_valid <= 1'b0;
            if (settling != 0) settling <= settling - 1'b1;
            case (step)
                PICK: if (settling == 0) begin
                    carries <= 1'b0;
                    if (due) begin
                        due <= 1'b0;
                        beats_left <= 5'd1;
                        fields <= {position, frame, 1'b0, first, 3'b0, 11'd0, 4'd1, control_kind};
                        step <= HEAD;
                    end else if (phase == RUN && s_complete && affordable) begin
                        carries <= 1'b1;
                        beats_left <= beats;
                        fields <= {position, frame, last, first, 3'b0, length, 4'd1, 4'd1};
                        step <= HEAD;
                    end
                end
                HEAD: if (free) begin
                    m_valid <= 1'b1;
                    beats_left <= beats_left - 1'b1;
                    step <= (beats_left == 1) ? PICK : BODY;
                    settling <= 2'd2;
                    if (carries) begin
                        position <= position + beats_left;
                        packets_sent <= packets_sent + 1'b1;
                        bytes_left <= last ? WHOLE : bytes_left - MAX_DATA;
                        if (last) begin
                            frame <= frame + 1'b1;
                            frames_sent <= frames_sent + 1'b1;
                        end
                    end else probes_sent <= probes_sent + 1'b1;
                end
                BODY: if (free && s_valid) begin
                    m_valid <= 1'b1;
                    beats_left <= beats_left - 1'b1;
                    if (beats_left == 1) step <= PICK;
                end
                default: step <= PICK;
            endcase

            if (credit_fits) begin
                phase <= RUN;
                credited <= credit;
                timer <= PROBE_CYCLES;
                due <= 1'b0;
                credits_taken <= credits_taken + 1'b1;
            end else if (credit_valid && phase != QUIET) credits_bad <= credits_bad + 1'b1;
        end
    end
endmodule
`default_nettype wire
