// Takes a link header apart and says whether it is sound; combinational. The format is in
// elasticdf/hardware/linkpacket.py.
`default_nettype none
module edf_header (
    input  wire  [63:0] header,
    output logic        sound,
    output logic        is_data,
    output logic        is_credit,
    output logic        is_probe,
    output logic        is_sync,
    output logic        fresh,
    output logic        first,
    output logic        last,
    output logic [10:0] length,
    output logic [15:0] frame,
    output logic [15:0] position,
    output logic [ 4:0] beats
);
    localparam logic [10:0] MAX_LENGTH = 11'd1400;

    logic [7:0] crc;
    logic length_fits;
    logic [10:0] padded;
    edf_crc8 u_crc (
        .fields(header[55:0]),
        .crc(crc)
    );
    assign length = header[18:8];
    assign fresh = header[19];
    assign first = header[22];
    assign last = header[23];
    assign frame = header[39:24];
    assign position = header[55:40];
    assign is_data = header[3:0] == 4'd1;
    assign is_credit = header[3:0] == 4'd2;
    assign is_probe = header[3:0] == 4'd3;
    assign is_sync = header[3:0] == 4'd4;
    assign length_fits = is_data ? (length != 0 && length <= MAX_LENGTH) : (length == 0);
    assign sound = crc == header[63:56] && header[7:4] == 4'd1 && header[21:20] == 2'b00
        && length_fits && (is_data || is_credit || is_probe || is_sync);
    assign padded = length + 11'd71;
    assign beats = padded[10:6];
endmodule
`default_nettype wire
