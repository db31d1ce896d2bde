// Merges packet streams onto one: whole packets, in turn.
`default_nettype none
module edf_mux_core #(
    parameter int INPUTS = 2
) (
    input  wire                    ap_clk,
    input  wire                    ap_rst_n,
    input  wire  [ 512*INPUTS-1:0] s_tdata,
    input  wire  [  64*INPUTS-1:0] s_tkeep,
    input  wire  [     INPUTS-1:0] s_tlast,
    input  wire  [  16*INPUTS-1:0] s_tdest,
    input  wire  [     INPUTS-1:0] s_tvalid,
    output logic [     INPUTS-1:0] s_tready,
    output logic [          511:0] m_tdata,
    output logic [           63:0] m_tkeep,
    output logic                   m_tlast,
    output logic [           15:0] m_tdest,
    output logic                   m_tvalid,
    input  wire                    m_tready
);
    logic rst;
    always_ff @(posedge ap_clk) rst <= !ap_rst_n;

    // One-hot: whose packet it is (`locked`), or whose turn comes first.
    logic locked;
    logic [INPUTS-1:0] owner;
    logic [INPUTS-1:0] after_owner;   // inputs behind the last owner
    logic [INPUTS-1:0] wanting_after;
    logic [INPUTS-1:0] next_owner;
    logic [INPUTS-1:0] behind;
    assign behind = ~((owner - 1'b1) | owner);
    assign after_owner = s_tvalid & behind;
    assign wanting_after = (after_owner != 0) ? after_owner : s_tvalid;
    assign next_owner = wanting_after & (~wanting_after + 1'b1);

    logic free, moved;
    logic [511:0] chosen_data;
    logic chosen_last;
    logic [15:0] chosen_dest;
    assign free = !m_tvalid || m_tready;
    assign s_tready = (locked && free) ? owner : {INPUTS{1'b0}};
    assign moved = (s_tready & s_tvalid) != 0;
    integer i;
    always_comb begin
        chosen_data = 512'b0;
        chosen_last = 1'b0;
        chosen_dest = 16'b0;
        for (i = 0; i < INPUTS; i = i + 1) begin
            chosen_data = chosen_data | (owner[i] ? s_tdata[512*i+:512] : 512'b0);
            chosen_last = chosen_last | (owner[i] & s_tlast[i]);
            chosen_dest = chosen_dest | (owner[i] ? s_tdest[16*i+:16] : 16'b0);
        end
    end
    assign m_tkeep = {64{1'b1}};

    always_ff @(posedge ap_clk) begin
        if (free) begin
            m_tdata <= chosen_data;
            m_tlast <= chosen_last;
            m_tdest <= chosen_dest;
        end
        if (rst) begin
            locked <= 1'b0;
            owner <= 1;
            m_tvalid <= 1'b0;
        end else begin
            if (free) m_tvalid <= moved;
            if (!locked) begin
                if (s_tvalid != 0) begin
                    locked <= 1'b1;
                    owner <= next_owner;
                end
            end else if (moved && chosen_last) locked <= 1'b0;
        end
    end
endmodule
`default_nettype wire
