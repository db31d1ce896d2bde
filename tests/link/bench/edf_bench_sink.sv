// Takes transfers in `rate` of 65536 cycles, with a rest of 3000 cycles now and then, and compares.
// A frame must equal the pattern, or equal it up to some byte and be zero from there on. With
// `search`, the first transfer of a frame may be that of a later frame or of the next session.
module edf_bench_sink #(
    parameter int BYTES = 1,
    parameter int TRANSFERS = 1
) (
    input  logic               clk,
    input  logic               rst,        // forget the frame in hand
    input  logic               clear,      // forget everything
    input  logic               search,
    input  logic [       16:0] rate,
    input  logic [       15:0] rest_rate,
    input  logic [       31:0] dice,
    input  logic [8*BYTES-1:0] s_tdata,
    input  logic               s_tvalid,
    output logic               s_tready,
    output logic [        7:0] session,
    output logic [       31:0] frame,
    output logic [       31:0] frames_equal,
    output logic [       31:0] frames_cut,
    output logic [       31:0] errors
);
    localparam int CANDIDATES = 48;
    logic [31:0] transfer;
    logic [8*BYTES-1:0] wanted;
    edf_bench_pattern #(.BYTES(BYTES)) u_pattern (
        .session(session), .frame(frame), .transfer(transfer), .word(wanted)
    );

    // The words that could begin a later frame; only evaluated where a search is asked for.
    logic [31:0] try_frame;
    logic [7:0] try_session;
    logic [8*BYTES-1:0] try_word;
    edf_bench_pattern #(.BYTES(BYTES)) u_try (
        .session(try_session), .frame(try_frame), .transfer(32'd0), .word(try_word)
    );
    // One candidate per cycle: the transfer waits meanwhile.
    logic [31:0] tried;
    logic searching;
    assign try_frame = (tried < CANDIDATES) ? frame + tried : tried - CANDIDATES;
    assign try_session = (tried < CANDIDATES) ? session : session + 8'd1;
    assign searching = search && s_tvalid && transfer == 0 && tried != 2 * CANDIDATES
        && s_tdata != wanted;

    logic cut;
    logic legal;
    logic equal;
    logic agree;
    integer i;
    // `legal`: equal to some byte, zero after it.
    always_comb begin
        equal = 0;
        agree = !cut && s_tdata == wanted;
        legal = agree || s_tdata == 0;
        if (!legal && !cut) begin
            legal = 1;
            equal = 1;
            for (i = 0; i < BYTES; i = i + 1) begin
                if (s_tdata[8*i+:8] != wanted[8*i+:8]) equal = 0;
                if (!equal && s_tdata[8*i+:8] != 8'h00) legal = 0;
            end
        end
    end

    logic gate;
    logic [11:0] resting;
    assign s_tready = gate && resting == 0 && !searching;
    always_ff @(posedge clk) begin
        if (rst || clear) begin
            transfer <= 0;
            tried <= 1;
            cut <= 0;
            gate <= 0;
            resting <= 0;
        end else begin
            gate <= {1'b0, dice[15:0]} < rate;
            if (resting != 0) resting <= resting - 1;
            else if (dice[31:16] < rest_rate) resting <= 12'd3000;
            if (searching) begin
                tried <= tried + 1;
                if (s_tdata == try_word) begin
                    frame <= try_frame;
                    session <= try_session;
                end
            end
            if (s_tvalid && s_tready) begin
                tried <= 1;
                if (!legal) errors <= errors + 1;
                if (transfer == TRANSFERS - 1) begin
                    transfer <= 0;
                    frame <= frame + 1;
                    cut <= 0;
                    if (agree) frames_equal <= frames_equal + 1;
                    else frames_cut <= frames_cut + 1;
                end else begin
                    transfer <= transfer + 1;
                    cut <= !agree;
                end
            end
        end
        if (clear) begin
            session <= 0;
            frame <= 0;
            frames_equal <= 0;
            frames_cut <= 0;
            errors <= 0;
        end
    end
endmodule
