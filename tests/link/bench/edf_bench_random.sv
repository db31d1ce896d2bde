// Random bits, new in every cycle, the same in every simulator.
module edf_bench_random #(
    parameter int ID = 1
) (
    input  logic        clk,
    input  logic        rst,
    input  logic [31:0] seed,
    output logic [63:0] bits
);
    // Two linear congruential generators, of which only the upper halves are used.
    logic [63:0] a, b;
    assign bits = {a[63:32], b[63:32]};
    always_ff @(posedge clk)
        if (rst) begin
            a <= ({32'h0, seed} + 64'd1) * 64'h9E3779B97F4A7C15 + ID * 64'hD1342543DE82EF95;
            b <= ({32'h0, seed} + 64'd7) * 64'hD1342543DE82EF95 + ID * 64'h9E3779B97F4A7C15;
        end else begin
            a <= a * 64'h5851F42D4C957F2D + 64'h14057B7EF767814F;
            b <= b * 64'h5851F42D4C957F2D + 64'h2545F4914F6CDD1D;
        end
endmodule
