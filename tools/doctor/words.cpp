#include "doctor/words.h"

namespace flare_tool::doctor {

namespace {

// The interface has a status for what a program can act on; for what a person can do there is the message. The tests
// have each of these said by the library.
struct Phrase {
  std::string_view words;
  Id id;
};

constexpr Phrase kPhrases[] = {
    {"client API configuration ", Id::kClientApiConfig},
    {"is no address of a cell", Id::kClientApiConfig},
    {"the client API of NVFlare 2.9", Id::kNvflare29},
    {"'nvflare:' finds nothing", Id::kNoUrl},
    {": it has no url", Id::kNoUrl},
    {"is not admitted by the exchanger", Id::kKeyNotAdmitted},
    {"it admits agents with keys only", Id::kKeysDiffer},
    {"it has no keys, and this agent has", Id::kKeysDiffer},
    {"in its handshake: it is no exchanger", Id::kNoAnswer},
    {"ends each connection in its handshake", Id::kKeysDiffer},
    {"needs its own as well: set the option curve", Id::kKeyMissing},
    {"needs its exchanger's public key as well", Id::kKeyMissing},
    {"is not a public key", Id::kKeyMalformed},
    {"key file ", Id::kKeyMalformed},
    {"this process has rank", Id::kNotRankZero},
    {"no job for agent", Id::kNoJob},
    {"cannot be read: No such file", Id::kProfileMissing},
    {"cannot be read: Not a directory", Id::kProfileMissing},
    {"cannot be read: ", Id::kProfileUnreadable},
    {": not a regular file", Id::kProfileUnreadable},
    {": not valid JSON", Id::kProfileMalformed},
    {": not a JSON object", Id::kProfileMalformed},
    {": larger than a mebibyte", Id::kProfileMalformed},
    {"is there twice", Id::kProfileMalformed},
    {"beyond the range of numbers", Id::kProfileMalformed},
    {"a profile cannot name another one", Id::kProfileMalformed},
    {"must be a string, a number, true or false", Id::kProfileMalformed},
    {"run chmod 600", Id::kProfileTooOpen},
    {"unknown option ", Id::kUnknownOption},
    {": the value", Id::kBadValue},
    {" must be greater than ", Id::kBadValue},
    {"the system allows", Id::kSocketPathTooLong},
    {"leaves this machine", Id::kNotEncrypted},
    {"the URL '", Id::kBadUrl},
    {"the token is wrong", Id::kWrongToken},
    {"set the option agent_id", Id::kWrongAgentId},
    {" wire version", Id::kWireVersion},
    {"is connected already", Id::kNameTaken},
    {"another process is agent", Id::kNameTaken},
    {"is connected as the cell", Id::kNameTaken},
    {"connects as the cell", Id::kNameTaken},
};

}  // namespace

std::optional<Id> id_of_message(std::string_view message) {
  if (message.starts_with("key file ") && message.find(" cannot be read: ") != std::string_view::npos) {
    return Id::kKeyMissing;
  }
  for (const Phrase &phrase : kPhrases) {
    if (message.find(phrase.words) != std::string_view::npos) return phrase.id;
  }
  return std::nullopt;
}

}  // namespace flare_tool::doctor
