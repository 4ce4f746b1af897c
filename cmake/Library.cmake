# All code lives in one object library. The shared library, the static one and the unit tests use the same objects, so
# tests reach internals without anything being exported for them.
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*/*.cpp ${PROJECT_SOURCE_DIR}/src/pipe/*/*.cpp)
add_library(flare_objects OBJECT ${sources} ${FLARE_GENERATED_HEADERS})
target_include_directories(flare_objects PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_include_directories(flare_objects SYSTEM PUBLIC ${FLARE_GENERATED_DIR})  # system: its warnings are not ours
target_link_libraries(flare_objects PUBLIC flare_dependencies PRIVATE flare_warnings)
# What stands behind our own checks of what a peer sends. A sanitizer looks closer, and without optimization glibc's
# checks of sizes do not work.
include(CheckCXXCompilerFlag)
check_cxx_compiler_flag(-fcf-protection FLARE_HAS_CF_PROTECTION)  # x86 only
if(NOT FLARE_SANITIZE)
  target_compile_options(flare_objects PRIVATE
    -fstack-clash-protection
    $<$<BOOL:${FLARE_HAS_CF_PROTECTION}>:-fcf-protection>
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE>
    $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
endif()
set_target_properties(flare_objects PROPERTIES
  POSITION_INDEPENDENT_CODE ON
  CXX_VISIBILITY_PRESET hidden
  VISIBILITY_INLINES_HIDDEN ON)
# Sanitizer builds and the bundled library of the crate for Rust compile several files as one (CMAKE_UNITY_BUILD), in half
# the time. Test programs replace the objects of some files by their own.
set(replaced base/clock base/uuid base/version pipe/memory/memory_link runtime/bell runtime/level_fd runtime/loop)
list(TRANSFORM replaced REPLACE "(.+)" "${PROJECT_SOURCE_DIR}/src/\\1.cpp")
set_source_files_properties(${replaced} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
# Its class has members of types that only this file knows.
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/cellnet/tls_channel.cpp PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)

add_library(flare_agent SHARED $<TARGET_OBJECTS:flare_objects>)
add_library(flare_agent_static STATIC $<TARGET_OBJECTS:flare_objects>)
foreach(library flare_agent flare_agent_static)
  add_library(flare_agent::${library} ALIAS ${library})
  target_include_directories(${library} INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${library} PRIVATE ${FLARE_LOADED})
  set_target_properties(${library} PROPERTIES OUTPUT_NAME flare_agent LINKER_LANGUAGE CXX)
endforeach()

set(map ${PROJECT_SOURCE_DIR}/src/capi/flare_agent.map)
target_link_options(flare_agent PRIVATE
  LINKER:--version-script=${map}
  LINKER:--exclude-libs,ALL      # nothing of a static dependency leaks out
  LINKER:-z,nodelete)            # threads and thread-locals survive dlclose()
if(NOT FLARE_SANITIZE)  # a sanitizer's functions come with the program
  target_link_options(flare_agent PRIVATE LINKER:--no-undefined)
endif()
set_target_properties(flare_agent PROPERTIES
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}
  INSTALL_RPATH ""  # the programs' business
  LINK_DEPENDS ${map})
