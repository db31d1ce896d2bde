// What a transfer of the test streams holds: every byte follows from session, frame, transfer and
// place, and none is zero, so that zeros in the output can only come from the filling of frames.
module edf_bench_pattern #(
    parameter int BYTES = 1
) (
    input  logic [        7:0] session,
    input  logic [       31:0] frame,
    input  logic [       31:0] transfer,
    output logic [8*BYTES-1:0] word
);
    localparam int PIECES = (BYTES + 7) / 8;
    logic [64*PIECES-1:0] pieces;
    logic [63:0] mixed;
    integer i;
    always_comb begin
        pieces = '0;
        mixed = '0;
        for (i = 0; i < PIECES; i = i + 1) begin
            mixed = {session, 24'h5A17C3, frame} * 64'h9E3779B97F4A7C15
                + ({transfer, 32'h0} | i) * 64'hC2B2AE3D27D4EB4F;
            mixed = (mixed + (mixed >> 29)) * 64'hBF58476D1CE4E5B9;
            mixed = mixed + (mixed >> 32);
            pieces[64*i+:64] = mixed | {8{8'h01}};
        end
        word = pieces[8*BYTES-1:0];
    end
endmodule
