// Everything that `flare-agent doctor` can find: the one table of which --list and docs/troubleshooting.md are made.
#pragma once

#include <span>
#include <string_view>

namespace flare_tool::doctor {

enum class Id {
  kNotStarted,
  kNoUrl,
  kClientApiConfig,
  kNvflare29,
  kProfileMissing,
  kProfileUnreadable,
  kProfileMalformed,
  kProfileTooOpen,
  kUnknownOption,
  kUnknownVariable,
  kBadValue,
  kBadUrl,
  kSocketPathTooLong,
  kMemoryUrl,
  kNotEncrypted,
  kKeyMissing,
  kKeyMalformed,
  kKeyNotAdmitted,
  kKeysDiffer,
  kNotRankZero,
  kNoJob,
  kSocketMissing,
  kSocketNotPermitted,
  kSocketStale,
  kNobodyListens,
  kHostUnknown,
  kHostUnreachable,
  kNoAnswer,
  kWrongToken,
  kWrongAgentId,
  kWireVersion,
  kNameTaken,
  kJobOver,
  kRefused,
  kOpenFailed,
  kLibraryOlder,
  kNoCurve,
  kProgramMissing,
  kProgramNotExecutable,
  kProgramNoexec,
  kProgramArchitecture,
  kProgramInterpreter,
  kProgramLibraries,
};

enum class Severity { kProblem, kWarning };

struct Entry {
  Id id;
  const char *name;
  Severity severity;
  const char *symptom;
  const char *remedy;
};

// In the order of the ids.
std::span<const Entry> catalogue();
const Entry &entry(Id id);

}  // namespace flare_tool::doctor
