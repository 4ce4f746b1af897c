# Tests of a binding; each runs in its folder, with the variables in LANGUAGE_environment.
function(add_binding_test language name timeout)
  add_test(NAME ${language}.${name} COMMAND ${${language}_environment} ${ARGN}
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set_tests_properties(${language}.${name} PROPERTIES LABELS bindings TIMEOUT ${timeout})
endfunction()

# What becomes of a result when its program ends (tests/process/leavers).
function(add_leaving_test language suite)
  add_binding_test(${language} leaving 240 $<TARGET_FILE:process_tests> --gtest_filter=*/${suite}.*)
  set_tests_properties(${language}.leaving PROPERTIES PASS_REGULAR_EXPRESSION "PASSED  \\] [1-9]"
    FAIL_REGULAR_EXPRESSION "FAILED")
endfunction()

# Its trainer of digits and the one in C++ learn together what two in C++ would, within 1e-4 of each weight.
function(add_digits_test language)
  if(FLARE_BUILD_TOOLS)
    add_binding_test(${language} digits 120 $<TARGET_FILE:flare-agent> simulate --sites 2 --rounds 20 --no-baselines
      --trainer ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/digits_trainer_${language} --trainer $<TARGET_FILE:digits_trainer_cpp>
      --data ${PROJECT_SOURCE_DIR}/examples/digits_by_label/digits.csv --model ${CMAKE_CURRENT_BINARY_DIR}/digits.txt)
    set_tests_properties(${language}.digits PROPERTIES PASS_REGULAR_EXPRESSION "final accuracy 0\\.9499"
      FIXTURES_SETUP ${language}_digits)
    add_binding_test(${language} digits_weights 60 ${PROJECT_SOURCE_DIR}/bindings/same-weights
      ${PROJECT_BINARY_DIR}/examples/digits_by_label/offline_weights.txt ${CMAKE_CURRENT_BINARY_DIR}/digits.txt)
    set_tests_properties(${language}.digits_weights PROPERTIES FIXTURES_REQUIRED "${language}_digits;digits_weights")
  endif()
endfunction()
