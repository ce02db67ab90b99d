# cmake --install and the Debian package (cpack -G DEB in the build folder).
include(GNUInstallDirs)
set(CPACK_PACKAGE_NAME sluice)
set(CPACK_PACKAGE_VENDOR "Sluice")
set(CPACK_PACKAGE_CONTACT "Sluice developers <sluice@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Open vSwitch compatible data plane on DPDK")
set(CPACK_PACKAGE_DESCRIPTION "sluiced takes the place of ovs-vswitchd: ovs-vsctl, ovs-ofctl, ovs-appctl, OpenFlow
controllers and OVN drive it unchanged. Stop and disable ovs-vswitchd.service before sluice.service is
enabled; the two conflict, ovsdb-server.service serves either.")
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
# The libraries are found from the programs; ovsdb-server, its schema and ovs-vsctl come with openvswitch-switch.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# DPDK loads its drivers at run time, so that nothing finds those: without the first no packet pool can be made, with
# the buses devices can be plugged; all drivers of devices are wanted by ports of type dpdk only.
set(CPACK_DEBIAN_PACKAGE_DEPENDS
  "openvswitch-switch, openvswitch-common, librte-mempool-ring23, librte-bus-vdev23, librte-bus-pci23")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "librte-meta-net, iproute2, ethtool")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/packaging/debian/conffiles
  ${CMAKE_SOURCE_DIR}/packaging/debian/postinst ${CMAKE_SOURCE_DIR}/packaging/debian/prerm
  ${CMAKE_SOURCE_DIR}/packaging/debian/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

foreach(program sluice sluiced)
  if(TARGET ${program})
    # The daemon stands in sbin as ovs-vswitchd does; `sluice` looks beside itself, in PATH and in sbin.
    set(folder ${CMAKE_INSTALL_BINDIR})
    if(program STREQUAL sluiced)
      set(folder ${CMAKE_INSTALL_SBINDIR})
    endif()
    install(TARGETS ${program} RUNTIME DESTINATION ${folder})
  endif()
endforeach()
set(SLUICE_UNITDIR lib/systemd/system CACHE STRING "Folder of the systemd unit, below the prefix or absolute")
configure_file(${CMAKE_SOURCE_DIR}/packaging/systemd/sluice.service.in ${CMAKE_BINARY_DIR}/sluice.service @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/sluice.service DESTINATION ${SLUICE_UNITDIR})
# Only an installation of the system's own prefix may write to /etc.
install(CODE "if(CMAKE_INSTALL_PREFIX MATCHES \"^/usr/?$\")
  file(INSTALL DESTINATION /etc/default TYPE FILE RENAME sluice FILES ${CMAKE_SOURCE_DIR}/packaging/debian/sluice.default)
endif()")
install(FILES ${CMAKE_SOURCE_DIR}/README.md ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs/howto ${CMAKE_SOURCE_DIR}/docs/tutorial DESTINATION ${CMAKE_INSTALL_DOCDIR})
include(CPack)
