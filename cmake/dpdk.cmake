# DPDK: system headers, and without the -march that its .pc file would put after ours.
pkg_check_modules(DPDK REQUIRED IMPORTED_TARGET libdpdk)
get_target_property(_inc PkgConfig::DPDK INTERFACE_INCLUDE_DIRECTORIES)
get_target_property(_opt PkgConfig::DPDK INTERFACE_COMPILE_OPTIONS)
list(FILTER _opt EXCLUDE REGEX "^-march=")
set_target_properties(PkgConfig::DPDK PROPERTIES
  INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${_inc}" INTERFACE_COMPILE_OPTIONS "${_opt}")
