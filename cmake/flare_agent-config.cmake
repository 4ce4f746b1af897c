# find_package(flare_agent) gives flare_agent::flare_agent (shared) and, where the development files of libzmq and OpenSSL
# are installed, flare_agent::flare_agent_static.
include(${CMAKE_CURRENT_LIST_DIR}/flare_agent-shared.cmake)

find_package(Threads QUIET)
find_package(OpenSSL QUIET)
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND AND NOT TARGET PkgConfig::ZMQ)
  pkg_check_modules(ZMQ QUIET IMPORTED_TARGET libzmq)
endif()
if(TARGET Threads::Threads AND TARGET PkgConfig::ZMQ AND TARGET OpenSSL::SSL)
  include(${CMAKE_CURRENT_LIST_DIR}/flare_agent-static.cmake)
endif()
