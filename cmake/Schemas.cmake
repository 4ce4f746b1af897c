# FlatBuffers: schema/NAME.fbs becomes NAME_generated.h in the build tree; include it by that name.
find_program(FLATC flatc REQUIRED)
set(FLARE_GENERATED_DIR ${PROJECT_BINARY_DIR}/generated)

file(GLOB schemas CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/schema/*.fbs)
set(FLARE_GENERATED_HEADERS)
foreach(schema IN LISTS schemas)
  cmake_path(GET schema STEM name)
  set(header ${FLARE_GENERATED_DIR}/${name}_generated.h)
  add_custom_command(OUTPUT ${header}
    COMMAND ${FLATC} --cpp --scoped-enums --warnings-as-errors -o ${FLARE_GENERATED_DIR} ${schema}
    DEPENDS ${schemas} COMMENT "Generating ${name}_generated.h" VERBATIM)  # all of them: a schema may include another
  list(APPEND FLARE_GENERATED_HEADERS ${header})
endforeach()
