// Hands packets to the output of their row (TDEST); those of unknown rows are dropped and counted. Two
// streams in opposite directions may share a row: then CREDIT is for the sender, all else for the
// receiver, and whoever gets a damaged packet refuses it.
`default_nettype none
module edf_demux_core #(
    parameter int OUTPUTS = 1,
    parameter logic [16*OUTPUTS-1:0] ROWS = 0,               // row of each output, output 0 lowest
    parameter logic [2*OUTPUTS-1:0] TAKES = {OUTPUTS{2'b11}}  // 01 CREDIT, 10 the rest, 11 both
) (
    input  wire                    ap_clk,
    input  wire                    ap_rst_n,
    input  wire  [          511:0] s_tdata,
    input  wire  [           63:0] s_tkeep,
    input  wire                    s_tlast,
    input  wire  [           15:0] s_tdest,
    input  wire                    s_tvalid,
    output logic                   s_tready,
    output logic [512*OUTPUTS-1:0] m_tdata,
    output logic [ 64*OUTPUTS-1:0] m_tkeep,
    output logic [    OUTPUTS-1:0] m_tlast,
    output logic [    OUTPUTS-1:0] m_tvalid,
    input  wire  [    OUTPUTS-1:0] m_tready,
    output logic [       32*3-1:0] values
);
    localparam logic [31:0] IDENTITY = 32'h45444401;  // "EDD", protocol version 1

    logic rst;
    always_ff @(posedge ap_clk) rst <= !ap_rst_n;

    // The kind stands in the first beat; what it decides holds for the packet.
    logic begins, credit, credit_r;
    assign credit = begins ? s_tdata[3:0] == 4'd2 : credit_r;
    logic [OUTPUTS-1:0] meant;
    genvar k;
    generate
        for (k = 0; k < OUTPUTS; k = k + 1) begin : g_row
            assign meant[k] = s_tdest == ROWS[16*k+:16]
                && (credit ? TAKES[2*k] : TAKES[2*k+1]);
        end
    endgenerate

    logic [511:0] held_data;  // one register for all outputs
    logic held_last;
    logic [31:0] packets, strays;
    assign s_tready = (m_tvalid & ~m_tready) == 0;
    assign m_tdata = {OUTPUTS{held_data}};
    assign m_tkeep = {64 * OUTPUTS{1'b1}};
    assign m_tlast = {OUTPUTS{held_last}};
    assign values = {strays, packets, IDENTITY};
    always_ff @(posedge ap_clk) begin
        if (s_tready) begin
            held_data <= s_tdata;
            held_last <= s_tlast;
        end
        if (rst) begin
            begins <= 1'b1;
            m_tvalid <= '0;
            packets <= 32'd0;
            strays <= 32'd0;
        end else if (s_tready) begin
            m_tvalid <= s_tvalid ? meant : {OUTPUTS{1'b0}};
            if (s_tvalid) begin
                begins <= s_tlast;
                credit_r <= credit;
            end
            if (s_tvalid && s_tlast) begin
                packets <= packets + 1'b1;
                if (meant == 0) strays <= strays + 1'b1;
            end
        end
    end
endmodule
`default_nettype wire
