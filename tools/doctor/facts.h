// What the doctor looks at, as plain values: gathered at the edges, judged by diagnose().
#pragma once

#include <flare_agent.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace flare_tool::doctor {

struct Setting {
  std::string name;
  std::string value;  // secrets are masked by the library
  std::string source;
};

// A call of the library that failed.
struct Failed {
  flare_status status;
  std::string message;
};

struct Given {
  std::vector<std::string> arguments;          // options, by the caller of the doctor
  std::vector<std::string> variables;          // FLARE_AGENT_* that name an option
  std::vector<std::string> unknown_variables;  // with what the library says of them
  std::vector<Setting> settings;               // of all options; empty when they cannot be told
  std::optional<Failed> failed;                // then

  std::string value_of(const std::string &option) const;
};

// What is seen at the address without talking to anybody there.
struct Probe {
  std::string address;  // "socket /run/x" or "port 1234 of 10.0.0.1"
  bool tcp = false;
  std::string unknown_host;  // why the name of the host is not known
  int error = 0;             // of the system, when connecting
  std::string owner;         // of a socket, and who we are

  bool good() const { return error == 0 && unknown_host.empty(); }
};

// An agent that was opened; or was to be.
struct Session {
  std::optional<Failed> failed;
  std::vector<std::string> records;  // what the library logged meanwhile
  // When it is up:
  std::string url, agent_id, site, job_id, peer_version, wire_version;
  double seconds = 0;
};

struct Versions {
  uint32_t header = 0, library = 0;
  std::string library_path;
  std::string zmq;
  bool curve = false;
};

struct Program {
  std::string command;
  std::string path;  // empty: not found
  bool file = true, executable = true, noexec = false;
  std::string kind;  // "ELF", "script", "unreadable" (then the rest is not known), or empty for none of these
  bool own_architecture = true;
  std::string architecture;  // of a foreign one
  std::string interpreter;   // of a script, or the loader of a binary
  bool has_interpreter = true;
  std::vector<std::string> missing_libraries;
  std::string agent_library;  // the libflare_agent that its loader finds
};

struct Facts {
  std::string folder;  // the working folder
  Versions versions;
  Given given;
  std::optional<Probe> probe;
  std::optional<Session> session;
  std::optional<Program> program;
};

}  // namespace flare_tool::doctor
