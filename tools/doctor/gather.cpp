#include "doctor/gather.h"

#include <filesystem>

#include "doctor/session.h"

namespace flare_tool::doctor {

Facts gather(const Question &question) {
  const Clock::time_point deadline = Clock::now() + question.timeout;
  Facts facts;
  std::error_code gone;
  facts.folder = std::filesystem::current_path(gone).string();
  facts.versions = gather_versions();
  flare::Options options;
  facts.given = gather_given(question.options, &options);
  if (!facts.given.failed) try_session(&options, deadline, &facts);
  if (!question.program.empty()) facts.program = gather_program(question.program.front(), deadline);
  return facts;
}

}  // namespace flare_tool::doctor
