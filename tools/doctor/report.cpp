#include "doctor/report.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "version_text.h"

namespace flare_tool::doctor {

namespace {

using Json = nlohmann::ordered_json;

const char *severity_text(Severity severity) { return severity == Severity::kProblem ? "problem" : "warning"; }

std::string line(const std::string &name, const std::string &value) {
  constexpr size_t kWidth = 10;
  return name + std::string(kWidth - std::min(kWidth - 1, name.size()), ' ') + value + "\n";
}

std::string versions_line(const Versions &versions) {
  return "flare-agent " + version_text(versions.header) + ", libflare_agent " + version_text(versions.library) + " (" +
         versions.library_path + "), libzmq " + versions.zmq + (versions.curve ? " with CURVE" : " without CURVE");
}

// Those that somebody gave: of a trainer's output only so many lines come to the log of its site.
std::string options_text(const std::vector<Setting> &settings) {
  size_t names = 0, values = 0, defaults = 0;
  for (const Setting &setting : settings) {
    if (setting.source == "default") {
      ++defaults;
      continue;
    }
    names = std::max(names, setting.name.size());
    values = std::max(values, setting.value.size());
  }
  std::string text;
  for (const Setting &setting : settings) {
    if (setting.source == "default") continue;
    text += "  " + setting.name + std::string(names - setting.name.size() + 2, ' ') + setting.value +
            std::string(values - setting.value.size() + 2, ' ') + setting.source + "\n";
  }
  return text + "  (" + std::to_string(defaults) + " others have their defaults, which --json shows)\n";
}

std::string session_text(const Facts &facts) {
  const std::string url = facts.given.value_of("url");
  if (url.empty() && !facts.session) return "";
  std::string source = "the rendezvous";
  for (const Setting &setting : facts.given.settings) {
    if (setting.name == "url" && !url.empty()) source = setting.source;
  }
  std::string text = line("connect", (url.empty() && facts.session ? facts.session->url : url) + " (" + source + ")");
  if (!facts.session) return text + line("", "not connected");
  const Session &session = *facts.session;
  for (const std::string &record : session.records) text += line("log", record);
  if (session.failed) return text + line("", "not connected");
  char milliseconds[32];
  std::snprintf(milliseconds, sizeof milliseconds, "%.1f", session.seconds * 1000);
  return text + line("", "connected in " + std::string(milliseconds) + " ms") +
         line("", "agent '" + session.agent_id + "', site '" + session.site + "', job '" + session.job_id + "'") +
         line("", "peer's library " + session.peer_version + ", wire version " + session.wire_version);
}

std::string program_text(const Program &program) {
  std::string text = line("program", program.path.empty() ? program.command : program.path);
  if (!program.interpreter.empty()) {
    const std::string &name = program.interpreter;
    text += line("", "run by " + name.substr(0, name.find('\r')));
  }
  if (!program.agent_library.empty()) text += line("", "uses " + program.agent_library);
  return text;
}

Json optional(const std::string &text) { return text.empty() ? Json() : Json(text); }

Json session_json(const Session &session) {
  if (session.failed) {
    return {{"connected", false},
            {"status", flare_status_text(session.failed->status)},
            {"reason", session.failed->message},
            {"log", session.records}};
  }
  return {{"connected", true},
          {"seconds", session.seconds},
          {"url", session.url},
          {"agent_id", session.agent_id},
          {"site", session.site},
          {"job_id", session.job_id},
          {"peer_version", session.peer_version},
          {"wire_version", session.wire_version},
          {"log", session.records}};
}

Json program_json(const Program &program) {
  return {{"command", program.command},
          {"path", optional(program.path)},
          {"kind", optional(program.kind)},
          {"interpreter", optional(program.interpreter)},
          {"agent_library", optional(program.agent_library)},
          {"missing_libraries", program.missing_libraries}};
}

}  // namespace

std::string text(const Facts &facts, const std::vector<Finding> &findings) {
  std::string text = versions_line(facts.versions) + "\n" + line("folder", facts.folder);
  if (facts.given.settings.empty()) {
    for (const std::string &variable : facts.given.variables) text += line("given", "environment variable " + variable);
  } else {
    text += "options\n" + options_text(facts.given.settings);
  }
  text += session_text(facts);
  if (facts.program) text += program_text(*facts.program);
  for (const Finding &finding : findings) {
    const Entry &known = entry(finding.id);
    text += "\n" + std::string(severity_text(known.severity)) + ": " + known.name + ": " + known.symptom + "\n" +
            line("  seen", finding.what) + line("  remedy", known.remedy);
  }
  return text + (has_problem(findings) ? "" : "\nall is well\n");
}

std::string json(const Facts &facts, const std::vector<Finding> &findings) {
  Json out = {{"ok", !has_problem(findings)},
              {"folder", facts.folder},
              {"versions",
               {{"command", version_text(facts.versions.header)},
                {"library", version_text(facts.versions.library)},
                {"library_path", facts.versions.library_path},
                {"libzmq", facts.versions.zmq},
                {"curve", facts.versions.curve}}}};
  out["options"] = Json::array();
  for (const Setting &setting : facts.given.settings) {
    out["options"].push_back({{"name", setting.name}, {"value", setting.value}, {"source", setting.source}});
  }
  out["session"] = facts.session ? session_json(*facts.session) : Json();
  out["program"] = facts.program ? program_json(*facts.program) : Json();
  out["findings"] = Json::array();
  for (const Finding &finding : findings) {
    const Entry &known = entry(finding.id);
    out["findings"].push_back({{"id", known.name},
                               {"severity", severity_text(known.severity)},
                               {"symptom", known.symptom},
                               {"seen", finding.what},
                               {"remedy", known.remedy}});
  }
  // What comes from elsewhere need not be UTF-8.
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string catalogue_page() {
  std::string page = "| id | what it means | remedy |\n|---|---|---|\n";
  for (const Entry &known : catalogue()) {
    page += "| `" + std::string(known.name) + "` | " + known.symptom +
            (known.severity == Severity::kWarning ? " (a warning)" : "") + " | " + known.remedy + " |\n";
  }
  return page;
}

}  // namespace flare_tool::doctor
