# Package one link adapter as a Vitis kernel:
#   vivado -mode batch -source package_kernel.tcl -tclargs NAME PART TOP.v KERNEL.xml OUT.xo SOURCE.sv...
if {[llength $argv] < 6} {
    error "package_kernel.tcl: give NAME PART TOP.v KERNEL.xml OUT.xo SOURCE.sv..."
}
lassign $argv name part top kernel_xml xo
set sources [lrange $argv 5 end]
set work [file rootname [file normalize $xo]].packaging
file delete -force $work
file mkdir $work

create_project -force -part $part $name $work/project
add_files -norecurse [concat [list $top] $sources]
set_property top $name [current_fileset]
update_compile_order -fileset sources_1

ipx::package_project -root_dir $work/ip -vendor elasticdf -library kernel -taxonomy /KernelIP \
    -import_files -set_current true
set core [ipx::current_core]
set_property name $name $core
set_property version 1.0 $core
set_property sdx_kernel true $core
set_property sdx_kernel_type rtl $core
set_property vitis_drc {ctrl_protocol ap_ctrl_none} $core
foreach bus [ipx::get_bus_interfaces -of_objects $core] {
    set bus_name [get_property NAME $bus]
    if {$bus_name ni {ap_clk ap_rst_n}} {
        ipx::associate_bus_interfaces -busif $bus_name -clock ap_clk $core
    }
}
ipx::associate_bus_interfaces -clock ap_clk -reset ap_rst_n $core
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project

file delete -force $xo
package_xo -xo_path $xo -kernel_name $name -ip_directory $work/ip -kernel_xml $kernel_xml
