// Small synchronous FIFO in distributed memory; the oldest word is always shown at the output.
`default_nettype none
module edf_fifo #(
    parameter int WIDTH = 513,
    parameter int LOG_DEPTH = 6
) (
    input  wire               clk,
    input  wire               rst,
    input  wire  [ WIDTH-1:0] s_data,
    input  wire               s_valid,
    output logic              s_ready,
    output logic [ WIDTH-1:0] m_data,
    output logic              m_valid,
    input  wire               m_ready,
    output logic [LOG_DEPTH:0] count
);
    (* ram_style = "distributed" *)
    logic [WIDTH-1:0] memory[0:(1<<LOG_DEPTH)-1];
    logic [LOG_DEPTH-1:0] write_at;
    logic [LOG_DEPTH-1:0] read_at;
    logic push;
    logic pop;

    assign s_ready = !count[LOG_DEPTH];
    assign m_valid = count != 0;
    assign m_data = memory[read_at];
    assign push = s_valid && s_ready;
    assign pop = m_valid && m_ready;

    always_ff @(posedge clk) if (push) memory[write_at] <= s_data;

    always_ff @(posedge clk) begin
        if (rst) begin
            write_at <= '0;
            read_at <= '0;
            count <= '0;
        end else begin
            if (push) write_at <= write_at + 1'b1;
            if (pop) read_at <= read_at + 1'b1;
            if (push && !pop) count <= count + 1'b1;
            else if (pop && !push) count <= count - 1'b1;
        end
    end
endmodule
`default_nettype wire
