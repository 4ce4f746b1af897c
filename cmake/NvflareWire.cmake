# NVFlare's own wire, a library of its own that only tests link: what users get needs neither OpenSSL nor msgpack until a
# pipe runs on it. Then this goes to Dependencies.cmake and Library.cmake, and into the bill of materials.
find_package(OpenSSL REQUIRED)
find_path(FLARE_MSGPACK_INCLUDE msgpack.hpp REQUIRED)

file(GLOB sources CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/src/fobs/*.cpp ${PROJECT_SOURCE_DIR}/src/cellnet/*.cpp ${PROJECT_SOURCE_DIR}/src/pipe/cell/*.cpp)
add_library(flare_nvflare_wire OBJECT ${sources})
target_include_directories(flare_nvflare_wire PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_include_directories(flare_nvflare_wire SYSTEM PUBLIC ${FLARE_MSGPACK_INCLUDE})
target_compile_definitions(flare_nvflare_wire PUBLIC MSGPACK_NO_BOOST)
target_link_libraries(flare_nvflare_wire PUBLIC flare_dependencies OpenSSL::SSL OpenSSL::Crypto PRIVATE flare_warnings)
get_target_property(hardening flare_objects COMPILE_OPTIONS)
if(hardening)
  target_compile_options(flare_nvflare_wire PRIVATE ${hardening})
endif()
set_target_properties(flare_nvflare_wire PROPERTIES
  POSITION_INDEPENDENT_CODE ON
  CXX_VISIBILITY_PRESET hidden
  VISIBILITY_INLINES_HIDDEN ON)
# Its class has members of types that only this file knows.
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/cellnet/tls_channel.cpp PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
