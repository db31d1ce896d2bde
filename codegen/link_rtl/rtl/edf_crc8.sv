// CRC-8 (polynomial 0x07, start 0) over the seven bytes of a link header, byte 0 first. The masks say
// which bits of the header each bit of the check depends on; a test derives them again.
`default_nettype none
module edf_crc8 (
    input  wire  [55:0] fields,
    output logic [ 7:0] crc
);
    assign crc[0] = ^(fields & 56'hC151ADD08C2977);
    assign crc[1] = ^(fields & 56'h43F2F771957A99);
    assign crc[2] = ^(fields & 56'h47B54233A6DC45);
    assign crc[3] = ^(fields & 56'h8E6A85664CB98B);
    assign crc[4] = ^(fields & 56'h1CD50ACD987217);
    assign crc[5] = ^(fields & 56'h38AA159A31E52E);
    assign crc[6] = ^(fields & 56'h70542B3463CA5D);
    assign crc[7] = ^(fields & 56'hE0A85668C694BB);
endmodule
`default_nettype wire
