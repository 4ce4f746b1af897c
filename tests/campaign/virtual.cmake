# The virtual campaign: the library in one thread and in virtual time. virtual/runtime.cpp and virtual/network.cpp define
# what the linker would else take from the archive: clock, uuid, loop, level_fd, bell, memory_link.
add_library(virtual_history STATIC campaign/virtual/history.cpp)
target_link_libraries(virtual_history PUBLIC flare_agent_static PRIVATE flare_test_settings)
target_include_directories(virtual_history PUBLIC ${PROJECT_SOURCE_DIR}/src)
add_executable(virtual_campaign
  campaign/virtual/campaign.cpp campaign/virtual/content.cpp campaign/virtual/network.cpp campaign/virtual/program.cpp
  campaign/virtual/run.cpp campaign/virtual/runtime.cpp campaign/virtual/schedule.cpp campaign/virtual/site.cpp
  campaign/virtual/trainer.cpp campaign/virtual/world.cpp)
target_include_directories(virtual_campaign SYSTEM PRIVATE ${FLARE_CLI11_INCLUDE})
target_link_libraries(virtual_campaign PRIVATE virtual_history flare_dependencies flare_test_settings)

add_executable(virtual_tests campaign/virtual/history_test.cpp)
target_link_libraries(virtual_tests PRIVATE virtual_history flare_test_settings GTest::gmock GTest::gtest_main)
gtest_discover_tests(virtual_tests DISCOVERY_MODE PRE_TEST PROPERTIES LABELS unit TIMEOUT 60)

# The same schedules each time. FLARE_CAMPAIGN_SCHEDULES=200000 makes it longer, and FLARE_CAMPAIGN_FRESH=1 takes new
# ones.
set(schedules 20000)
if(FLARE_SANITIZE)
  set(schedules 1500)
endif()
target_compile_definitions(virtual_campaign PRIVATE FLARE_CAMPAIGN_SCHEDULES=${schedules})
add_test(NAME campaign.virtual COMMAND virtual_campaign)
set_tests_properties(campaign.virtual PROPERTIES LABELS unit TIMEOUT 300)
