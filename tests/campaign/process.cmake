# The process campaign: real processes, sockets and faults. The checker of its histories has tests of its own.
find_path(FLARE_CLI11_INCLUDE CLI/CLI.hpp REQUIRED)
foreach(name campaign_trainer campaign_exchanger)
  add_executable(${name} campaign/programs/${name}.cpp)
  target_link_libraries(${name} PRIVATE flare_agent flare_test_settings)
endforeach()
add_library(process_faults STATIC process/fault_proxy.cpp process/program.cpp process/stream_faults.cpp)
target_link_libraries(process_faults PRIVATE flare_test_settings)
add_library(process_campaign_parts STATIC
  campaign/process_history.cpp campaign/process_run.cpp campaign/process_schedule.cpp)
target_link_libraries(process_campaign_parts PUBLIC process_faults PRIVATE flare_test_settings)
add_executable(process_campaign campaign/process_campaign.cpp)
target_include_directories(process_campaign SYSTEM PRIVATE ${FLARE_CLI11_INCLUDE})
target_link_libraries(process_campaign PRIVATE process_campaign_parts flare_test_settings)
add_dependencies(process_campaign campaign_trainer campaign_exchanger)

add_executable(campaign_tests campaign/process_history_test.cpp campaign/stream_faults_test.cpp)
target_link_libraries(campaign_tests PRIVATE process_campaign_parts flare_test_settings GTest::gmock GTest::gtest_main)
gtest_discover_tests(campaign_tests DISCOVERY_MODE PRE_TEST PROPERTIES LABELS unit TIMEOUT 60)

# The same schedules each time, over ipc and tcp in turn. FLARE_CAMPAIGN_SCHEDULES=5000 makes it longer, and
# FLARE_CAMPAIGN_FRESH=1 takes new ones.
set(schedules 200)
if(FLARE_SANITIZE)
  set(schedules 60)
endif()
target_compile_definitions(process_campaign PRIVATE FLARE_CAMPAIGN_SCHEDULES=${schedules})
add_test(NAME campaign.processes COMMAND process_campaign)
set_tests_properties(campaign.processes PROPERTIES LABELS process TIMEOUT 600 RUN_SERIAL ON)
