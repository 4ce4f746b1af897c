#include "doctor/catalogue.h"

namespace flare_tool::doctor {

namespace {

constexpr auto kProblem = Severity::kProblem, kWarning = Severity::kWarning;

constexpr Entry kCatalogue[] = {
    {Id::kNotStarted, "not-started", kProblem,
     "nothing says where to connect: no FLARE_AGENT_ variable, no profile, no file of NVFlare in the working folder",
     "let a job start the trainer (docs/nvflare.md), or flare-agent simulate; by hand, set FLARE_AGENT_PROFILE to the "
     "profile of the job or FLARE_AGENT_URL to the URL of its exchanger, or change to the job's app folder"},
    {Id::kNoUrl, "no-url", kProblem, "options are given, but none of them says where to connect",
     "set FLARE_AGENT_URL, or FLARE_AGENT_PROFILE to a profile that has a url"},
    {Id::kClientApiConfig, "client-api-config", kProblem,
     "NVFlare's file for the trainer (config/client_api_config.json) is broken, or its job or site asks for what only "
     "Python can",
     "change the setting that is named (docs/replace_trainer.md), or let the job use AgentExecutor"},
    {Id::kNvflare29, "nvflare-2.9-client-api", kProblem,
     "NVFLARE_CLIENT_API_BOOTSTRAP is set: the job uses the client API of NVFlare 2.9, whose wire is not spoken yet",
     "let the job use AgentExecutor (docs/nvflare.md)"},
    {Id::kProfileMissing, "profile-missing", kProblem, "the profile is not there",
     "check the path, which counts from the working folder; the profile of a job is removed when the job ends"},
    {Id::kProfileUnreadable, "profile-unreadable", kProblem, "the profile cannot be read",
     "run as the user who owns it, or let its owner hand it over"},
    {Id::kProfileMalformed, "profile-malformed", kProblem, "the profile is no JSON object of option names and values",
     "correct it at the named place: {\"url\": \"zmq+ipc:///PATH\", \"token\": \"...\"}"},
    {Id::kProfileTooOpen, "profile-too-open", kProblem, "the profile holds a secret, and others may read it",
     "run chmod 600 on it"},
    {Id::kUnknownOption, "unknown-option", kProblem, "an option does not exist",
     "correct its name: flare-agent options lists them"},
    {Id::kUnknownVariable, "unknown-variable", kWarning, "a variable begins with FLARE_AGENT_ and names no option",
     "correct its name: flare-agent options lists them"},
    {Id::kBadValue, "bad-value", kProblem, "the value of an option does not parse, or does not fit to another one",
     "correct it where it came from: docs/options.md says what it may be"},
    {Id::kBadUrl, "bad-url", kProblem, "the URL has no known scheme, or lacks a part",
     "write zmq+ipc:///PATH or zmq+tcp://HOST:PORT, as the exchanger reports it"},
    {Id::kSocketPathTooLong, "socket-path-too-long", kProblem,
     "the path of the socket has more than the 107 bytes that the system allows",
     "let the exchanger use a shorter folder: a short TMPDIR or XDG_RUNTIME_DIR for its process, or its option url"},
    {Id::kMemoryUrl, "memory-url", kProblem, "memory:// joins two ends inside one process, so nobody else can try it",
     "use zmq+ipc:///PATH for two processes"},
    {Id::kNotEncrypted, "not-encrypted", kProblem, "the URL leaves this machine, and nothing would be encrypted",
     "use keys (CURVE) or a loopback address, or set allow_insecure=true if the network is trusted"},
    {Id::kKeyMissing, "key-missing", kProblem, "a key of CURVE is not there, or cannot be read",
     "set curve_secret_key_file and curve_exchanger_key_file (or curve_exchanger_key) to files of flare-agent keys "
     "that "
     "this user can read (docs/separate-hosts.md)"},
    {Id::kKeyMalformed, "key-malformed", kProblem,
     "a key of CURVE is none, is of the other kind, or others may use or change its file",
     "make keys with flare-agent keys, and copy the files as they are; chmod 600 the secret, chmod go-w the others"},
    {Id::kKeyNotAdmitted, "key-not-admitted", kProblem, "the exchanger does not admit the key of this agent",
     "add the public key of this agent to the exchanger's curve_admitted_keys_file, and open the exchanger again"},
    {Id::kKeysDiffer, "keys-differ", kProblem,
     "one end has keys of CURVE and the other has none, or the exchanger has another key than the agent was told",
     "give keys to both ends; the agent needs the public key of this very exchanger (docs/separate-hosts.md)"},
    {Id::kNotRankZero, "not-rank-zero", kProblem, "a parallel launch started this process with a rank other than 0",
     "open the agent in rank 0 alone; when each process is a trainer of its own, set the option rank to ignore"},
    {Id::kNoJob, "no-job", kProblem, "no exchanger has come to the rendezvous for this agent",
     "check that the exchanger has the same rendezvous_dir and agent_id, as the same user; a resident trainer may just "
     "wait"},
    {Id::kSocketMissing, "socket-missing", kProblem, "there is no socket at the path of the URL",
     "check that the exchanger runs: its socket goes with it, so the job may be over; in a container, that the folder "
     "is mounted at the same path"},
    {Id::kSocketNotPermitted, "socket-not-permitted", kProblem, "this user may not use the socket",
     "run the trainer as the user of the exchanger, who owns it"},
    {Id::kSocketStale, "socket-stale", kProblem, "the socket is there, and nobody listens at it",
     "start the exchanger again: it was killed, or never got so far"},
    {Id::kNobodyListens, "nobody-listens", kProblem, "nobody listens at the port",
     "check that the exchanger runs and that the port is the one it reports; it changes from run to run with port *"},
    {Id::kHostUnknown, "host-unknown", kProblem, "the name of the host is not known here",
     "correct the host in the URL, or make its name known on this machine (DNS, /etc/hosts), or write its address"},
    {Id::kHostUnreachable, "host-unreachable", kProblem, "the host does not answer",
     "check route and firewall between here and there: trainers connect to the exchanger, not the reverse"},
    {Id::kNoAnswer, "no-answer", kProblem, "something listens there, but does not answer as an exchanger",
     "check that the URL is the exchanger's and not another service's; if it is, look whether it is stopped or frozen, "
     "or give it longer by --timeout"},
    {Id::kWrongToken, "wrong-token", kProblem, "the exchanger has another token",
     "take token and url from the same job: a token of an earlier run is of no use"},
    {Id::kWrongAgentId, "wrong-agent-id", kProblem, "the exchanger serves an agent of another name",
     "set the option agent_id to the name that it says"},
    {Id::kWireVersion, "wire-version", kProblem, "both ends have libraries that share no version of the wire",
     "install matching versions of libflare_agent for the trainer and at the site"},
    {Id::kNameTaken, "name-taken", kProblem, "another process is this agent already",
     "if that is the trainer, all is well with the connection; else end that process, or give this one another "
     "agent_id "
     "and an exchanger of its own"},
    {Id::kJobOver, "job-over", kProblem, "the job has ended or was aborted", "start a new job"},
    {Id::kRefused, "refused", kProblem, "the exchanger refused the session for another reason", "do as it says"},
    {Id::kOpenFailed, "open-failed", kProblem, "the library cannot open an agent for another reason", "do as it says"},
    {Id::kLibraryOlder, "library-older", kProblem,
     "the library that is loaded is older than the one this command was built for",
     "install both from one release, or look what LD_LIBRARY_PATH puts in its place"},
    {Id::kNoCurve, "libzmq-without-curve", kWarning, "libzmq was built without CURVE, so that nothing can be encrypted",
     "install a libzmq with CURVE (Debian's libzmq5 has it) before machines are joined over TCP"},
    {Id::kProgramMissing, "program-missing", kProblem, "the program is not there",
     "check the path, which counts from the working folder; a bare name is looked for in PATH"},
    {Id::kProgramNotExecutable, "program-not-executable", kProblem, "the program may not be executed",
     "run chmod +x on it: archives of jobs lose that"},
    {Id::kProgramNoexec, "program-noexec", kProblem, "the program lies on a file system that is mounted noexec",
     "put it elsewhere, or let the site's administrator mount that folder without noexec"},
    {Id::kProgramArchitecture, "program-architecture", kProblem,
     "the program was built for another processor, or is no program",
     "build it for this machine; a script begins with #!/PATH/OF/ITS/INTERPRETER"},
    {Id::kProgramInterpreter, "program-interpreter", kProblem, "what is to run the program is not there",
     "install it, or correct the first line of the script; for a binary, build it against this machine's C library"},
    {Id::kProgramLibraries, "program-libraries", kProblem, "shared libraries of the program are not found",
     "install them, or name their folder in LD_LIBRARY_PATH or in the program's run path"},
};

}  // namespace

std::span<const Entry> catalogue() { return kCatalogue; }

const Entry &entry(Id id) { return kCatalogue[static_cast<size_t>(id)]; }

}  // namespace flare_tool::doctor
