#include "doctor/diagnose.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "doctor/words.h"
#include "version_text.h"

namespace flare_tool::doctor {

namespace {

class Diagnosis {
 public:
  explicit Diagnosis(const Facts &facts) : facts_(facts) {}

  std::vector<Finding> run() {
    versions();
    given();
    if (facts_.probe) probe(*facts_.probe);
    if (facts_.session) session(*facts_.session);
    if (facts_.program) program(*facts_.program);
    return std::move(findings_);
  }

 private:
  void find(Id id, const std::string &what) { findings_.push_back({id, what}); }

  void versions() {
    const Versions &versions = facts_.versions;
    if (versions.library < versions.header) {
      find(Id::kLibraryOlder, versions.library_path + " is version " + version_text(versions.library) +
                                  ", this command was built for " + version_text(versions.header));
    }
    if (!versions.curve) find(Id::kNoCurve, "libzmq " + versions.zmq + " has no CURVE");
  }

  void given() {
    const Given &given = facts_.given;
    for (const std::string &unknown : given.unknown_variables) find(Id::kUnknownVariable, unknown);
    if (given.failed) find(id_of_message(given.failed->message).value_or(Id::kOpenFailed), given.failed->message);
    if (given.settings.empty() || facts_.session) return;
    const std::string url = given.value_of("url");
    if (url.empty()) {
      no_url();
    } else if (url.starts_with("memory://")) {
      find(Id::kMemoryUrl, "the URL is " + url);
    }
  }

  void no_url() {
    const Given &given = facts_.given;
    if (given.arguments.empty() && given.variables.empty() && given.value_of("profile").empty()) {
      find(Id::kNotStarted, "no option is given in " + facts_.folder + ", by nobody");
    } else {
      std::string what = "given are";
      for (const Setting &setting : given.settings) {
        if (setting.source != "default") what.append(" ").append(setting.name);
      }
      find(Id::kNoUrl, what + ", and no url");
    }
  }

  void probe(const Probe &probe) {
    if (probe.good()) return;
    if (!probe.unknown_host.empty()) {
      find(Id::kHostUnknown, probe.address + ": " + probe.unknown_host);
    } else {
      const std::string reason = probe.address + ": " + std::strerror(probe.error) + probe.owner;
      find(probe.tcp ? id_of_tcp(probe.error) : id_of_socket(probe.error), reason);
    }
  }

  static Id id_of_tcp(int error) { return error == ECONNREFUSED ? Id::kNobodyListens : Id::kHostUnreachable; }

  static Id id_of_socket(int error) {
    switch (error) {
      case ENOENT:
      case ENOTDIR: return Id::kSocketMissing;
      case EACCES:
      case EPERM: return Id::kSocketNotPermitted;
      default: return Id::kSocketStale;
    }
  }

  void session(const Session &session) {
    if (!session.failed) return;
    const Failed &failed = *session.failed;
    find(id_of_message(failed.message).value_or(id_of_status(failed.status)), failed.message);
  }

  static Id id_of_status(flare_status status) {
    switch (status) {
      case FLARE_TIMEOUT:
      case FLARE_UNREACHABLE:
      case FLARE_PEER_GONE: return Id::kNoAnswer;
      case FLARE_ENDED:
      case FLARE_ABORTED: return Id::kJobOver;
      case FLARE_REFUSED: return Id::kRefused;
      default: return Id::kOpenFailed;
    }
  }

  void program(const Program &program) {
    if (program.path.empty() || !program.file) {
      find(Id::kProgramMissing,
           program.path.empty() ? "'" + program.command + "' is not found" : program.path + " is not a regular file");
      return;
    }
    if (program.noexec) find(Id::kProgramNoexec, program.path + " is on a file system mounted noexec");
    if (!program.executable && !program.noexec) find(Id::kProgramNotExecutable, program.path + " is not executable");
    if (program.kind.empty()) {
      find(Id::kProgramArchitecture, program.path + " is neither a binary nor a script");
    } else if (!program.own_architecture) {
      find(Id::kProgramArchitecture, program.path + " is for " + program.architecture);
    } else if (!program.has_interpreter) {
      const bool carriage = program.interpreter.ends_with('\r');
      const std::string name = program.interpreter.substr(0, program.interpreter.size() - (carriage ? 1 : 0));
      find(Id::kProgramInterpreter, program.path + " needs " + name + (carriage ? "\\r" : "") +
                                        ", which cannot be executed" +
                                        (carriage ? ": its lines end as on Windows, in CR LF" : ""));
    } else if (!program.missing_libraries.empty()) {
      std::string what = program.path + " lacks";
      for (const std::string &library : program.missing_libraries) what += " " + library;
      find(Id::kProgramLibraries, what);
    }
  }

  const Facts &facts_;
  std::vector<Finding> findings_;
};

}  // namespace

std::string Given::value_of(const std::string &option) const {
  for (const Setting &setting : settings) {
    if (setting.name == option) return setting.value;
  }
  return "";
}

std::vector<Finding> diagnose(const Facts &facts) { return Diagnosis(facts).run(); }

bool has_problem(const std::vector<Finding> &findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding &finding) { return entry(finding.id).severity == Severity::kProblem; });
}

}  // namespace flare_tool::doctor
