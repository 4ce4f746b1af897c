# NVFlare's own wire, a library of its own that only tests link: what users get needs neither OpenSSL nor msgpack until a
# pipe runs on it. Then this goes to Dependencies.cmake and Library.cmake, and into the bill of materials.
find_package(OpenSSL REQUIRED)
find_path(FLARE_MSGPACK_INCLUDE msgpack.hpp REQUIRED)

file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/cellnet/*.cpp)
add_library(flare_cellnet OBJECT ${sources})
target_include_directories(flare_cellnet PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_include_directories(flare_cellnet SYSTEM PUBLIC ${FLARE_MSGPACK_INCLUDE})
target_link_libraries(flare_cellnet PUBLIC flare_dependencies OpenSSL::SSL OpenSSL::Crypto PRIVATE flare_warnings)
get_target_property(hardening flare_objects COMPILE_OPTIONS)
if(hardening)
  target_compile_options(flare_cellnet PRIVATE ${hardening})
endif()
set_target_properties(flare_cellnet PROPERTIES
  POSITION_INDEPENDENT_CODE ON
  CXX_VISIBILITY_PRESET hidden
  VISIBILITY_INLINES_HIDDEN ON)
