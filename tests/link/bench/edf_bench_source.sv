// Offers `frames` frames of the pattern, a transfer in `rate` of 65536 cycles. A transfer offered
// stays until it is taken.
module edf_bench_source #(
    parameter int BYTES = 1,
    parameter int TRANSFERS = 1
) (
    input  logic               clk,
    input  logic               rst,        // start again at frame 0
    input  logic [        7:0] session,
    input  logic [       31:0] frames,
    input  logic [       16:0] rate,
    input  logic [       15:0] dice,
    output logic [8*BYTES-1:0] m_tdata,
    output logic               m_tvalid,
    input  logic               m_tready,
    output logic [       31:0] frame
);
    logic [31:0] transfer;
    edf_bench_pattern #(.BYTES(BYTES)) u_pattern (
        .session(session), .frame(frame), .transfer(transfer), .word(m_tdata)
    );
    logic gate;
    assign m_tvalid = gate && frame < frames;
    always_ff @(posedge clk) begin
        if (rst) begin
            frame <= 0;
            transfer <= 0;
            gate <= 0;
        end else begin
            if (!m_tvalid || m_tready) gate <= {1'b0, dice} < rate;
            if (m_tvalid && m_tready) begin
                transfer <= (transfer == TRANSFERS - 1) ? 0 : transfer + 1;
                if (transfer == TRANSFERS - 1) frame <= frame + 1;
            end
        end
    end
endmodule
