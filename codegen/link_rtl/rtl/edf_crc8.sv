// CRC-8 (polynomial 0x07, start 0) over the seven bytes of a link header, byte 0 first.
`default_nettype none
module edf_crc8 (
    input  wire  [55:0] fields,
    output logic [ 7:0] crc
);
    integer i;
    integer j;
    always_comb begin
        crc = 8'h00;
        for (i = 0; i < 7; i = i + 1) begin
            crc = crc ^ fields[8*i+:8];
            for (j = 0; j < 8; j = j + 1) crc = {crc[6:0], 1'b0} ^ (crc[7] ? 8'h07 : 8'h00);
        end
    end
endmodule
`default_nettype wire
