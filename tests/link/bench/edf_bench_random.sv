// Random bits, new in every cycle, the same in every simulator.
module edf_bench_random #(
    parameter int ID = 1
) (
    input  logic        clk,
    input  logic        rst,
    input  logic [31:0] seed,
    output logic [63:0] bits
);
    logic [63:0] a, b, c;
    always_comb begin
        a = bits ^ (bits << 13);
        b = a ^ (a >> 7);
        c = b ^ (b << 17);
    end
    always_ff @(posedge clk)
        if (rst) bits <= ({32'h0, seed} + 64'd1) * 64'h9E3779B97F4A7C15 + ID * 64'hD1342543DE82EF95;
        else bits <= c;
endmodule
