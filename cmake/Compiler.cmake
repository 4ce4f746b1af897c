# How all our code is compiled: one place, so that no target can forget it. A project that includes ours gets none of it.
set(FLARE_SANITIZE "" CACHE STRING "Sanitizers for all code, for example address,undefined")
option(FLARE_WERROR "Treat warnings as errors; for our own builds, as other compilers know other warnings")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)  # with extensions: the C tests use POSIX

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(FLARE_CCACHE ccache)
  mark_as_advanced(FLARE_CCACHE)
  if(FLARE_CCACHE)
    set(CMAKE_C_COMPILER_LAUNCHER ${FLARE_CCACHE})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${FLARE_CCACHE})
  endif()
endif()

add_compile_options(
  -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=  # no build paths in what we ship, nor in the description of its interface
  -fstack-protector-strong)                  # peers send us sizes
add_link_options(LINKER:-z,relro LINKER:-z,now)
add_compile_definitions($<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)

add_library(flare_warnings INTERFACE)
target_compile_options(flare_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wformat=2 -Wundef -Werror=return-type
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
  $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wthread-safety>
  # gcc 12 sees overlapping copies in every "text" + std::string (GCC bug 105651), and members that are not set in
  # alternatives of a std::variant that are not there.
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-maybe-uninitialized>
  $<$<BOOL:${FLARE_WERROR}>:-Werror>)

# Programs that only test: they need not be fast.
add_library(flare_quickly_compiled INTERFACE)
target_compile_options(flare_quickly_compiled INTERFACE -O0 -g1)

if(FLARE_SANITIZE)  # a report names functions and lines
  add_compile_options(-fsanitize=${FLARE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g1)
  add_link_options(-fsanitize=${FLARE_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
    # Also programs in C, as our library needs what only clang++ brings into a program.
    set(CMAKE_C_LINK_EXECUTABLE
      "${CMAKE_CXX_COMPILER} <FLAGS> <CMAKE_C_LINK_FLAGS> <LINK_FLAGS> <OBJECTS> -o <TARGET> <LINK_LIBRARIES>")
  endif()
  # The thread sanitizer knows no fences and says so in each file that has one, be it in a header of others.
  target_compile_options(flare_warnings INTERFACE "$<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>")
endif()
