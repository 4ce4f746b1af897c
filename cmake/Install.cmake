# What users get: headers, libraries, a CMake package and pkg-config files.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/flare_agent)

install(FILES include/flare_agent.h include/flare_agent.hpp include/flare_exchanger.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# NVFlare's side of a site; jobs carry a copy of it.
install(FILES integrations/nvflare/agent_executor.py DESTINATION ${CMAKE_INSTALL_DATADIR}/flare_agent/nvflare)

# An example to begin one's own trainer with (docs/nvflare.md).
set(hello examples/nvflare/hello)
install(FILES ${hello}/trainer.c ${hello}/trainer.cpp ${hello}/logreg.c ${hello}/logreg.h ${hello}/file_trainer.py
  ${hello}/breast_cancer.csv DESTINATION ${CMAKE_INSTALL_DATADIR}/flare_agent/examples/hello)

# Two sets of targets, as the static library needs the development files of libzmq and OpenSSL, and the
# shared one does not.
install(TARGETS flare_agent EXPORT flare_agent)
install(TARGETS flare_agent_static EXPORT flare_agent_static)
install(EXPORT flare_agent NAMESPACE flare_agent:: FILE flare_agent-shared.cmake DESTINATION ${package_dir})
install(EXPORT flare_agent_static NAMESPACE flare_agent:: FILE flare_agent-static.cmake DESTINATION ${package_dir})
# While the major version is 0 a new minor version may change the interface.
write_basic_package_version_file(flare_agent-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES cmake/flare_agent-config.cmake ${PROJECT_BINARY_DIR}/flare_agent-config-version.cmake
  DESTINATION ${package_dir})

# The installed .pc finds its prefix from its own place, so that an installed tree may be moved.
file(RELATIVE_PATH FLARE_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_LIBDIR BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX} OUTPUT_VARIABLE FLARE_PC_LIBDIR)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_INCLUDEDIR BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}
  OUTPUT_VARIABLE FLARE_PC_INCLUDEDIR)
configure_file(cmake/flare_agent.pc.in installed/flare_agent.pc @ONLY)
configure_file(cmake/flare_agent-uninstalled.pc.in flare_agent-uninstalled.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/installed/flare_agent.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
