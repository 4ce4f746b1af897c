# What we build on. Of these libzmq and OpenSSL are linked; the others are headers whose code becomes ours and stays
# hidden.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ZMQ REQUIRED IMPORTED_TARGET libzmq>=4.3)
# Its flags are for what libzmq itself is built on, which zmq.h does not include. CMake reads them in another way the
# second time, so that a second configuration would build everything again.
set_target_properties(PkgConfig::ZMQ PROPERTIES INTERFACE_COMPILE_OPTIONS "" INTERFACE_INCLUDE_DIRECTORIES "")
find_package(OpenSSL REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_path(FLARE_CPPZMQ_INCLUDE zmq.hpp REQUIRED)
find_path(FLARE_ASIO_INCLUDE asio.hpp REQUIRED)
find_path(FLARE_XXHASH_INCLUDE xxhash.h REQUIRED)
find_path(FLARE_FLATBUFFERS_INCLUDE flatbuffers/flatbuffers.h REQUIRED)
find_path(FLARE_MSGPACK_INCLUDE msgpack.hpp REQUIRED)
set(FLARE_LOADED Threads::Threads PkgConfig::ZMQ OpenSSL::SSL OpenSSL::Crypto)  # by the library

add_library(flare_dependencies INTERFACE)
target_link_libraries(flare_dependencies INTERFACE ${FLARE_LOADED} nlohmann_json::nlohmann_json)
target_include_directories(flare_dependencies SYSTEM INTERFACE
  ${ZMQ_INCLUDEDIR} ${FLARE_CPPZMQ_INCLUDE} ${FLARE_ASIO_INCLUDE} ${FLARE_XXHASH_INCLUDE} ${FLARE_FLATBUFFERS_INCLUDE}
  ${FLARE_MSGPACK_INCLUDE}
  $<TARGET_PROPERTY:spdlog::spdlog_header_only,INTERFACE_INCLUDE_DIRECTORIES>
  $<TARGET_PROPERTY:fmt::fmt-header-only,INTERFACE_INCLUDE_DIRECTORIES>)
# spdlog's own target would link libfmt. A logger compiled into us cannot clash with the one of the host program.
target_compile_definitions(flare_dependencies INTERFACE SPDLOG_FMT_EXTERNAL FMT_HEADER_ONLY=1 MSGPACK_NO_BOOST)
