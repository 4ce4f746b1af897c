#include "config/rendezvous.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "base/failure.h"
#include "base/uuid.h"
#include "config/option_value.h"
#include "config/profile.h"

namespace flare {

namespace {

namespace fs = std::filesystem;

constexpr const char *kEntry = ".json";
constexpr const char *kSocket = ".sock";

// What both ends have to see alike, as an exchanger may have been told by somebody who knows the job.
constexpr std::array kTold = {"train_task_name", "evaluate_task_name", "submit_model_task_name", "params_transfer_type",
                              "check_results",   "heartbeat_interval", "heartbeat_timeout"};

[[noreturn]] void refuse_folder(const std::string &text) {
  throw Failure(FLARE_INVALID_ARGUMENT, "rendezvous_dir " + text);
}

[[noreturn]] void fail(const std::string &path, const std::string &what, int error) {
  throw Failure(FLARE_IO,
                "rendezvous_dir: " + path + " cannot be " + what + ": " + std::generic_category().message(error));
}

// ---- The folder ------------------------------------------------------------------------------------------------

std::string file_name(const char *option, const std::string &value) {
  try {
    if (!value.starts_with('.')) return parse_agent_id(value);
  } catch (const Failure &) {  // it says less than what follows
  }
  refuse_folder("names files by the option " + std::string(option) + ", and '" + value +
                "' cannot be one: use up to 128 of A-Z a-z 0-9 _ . -, without a dot at the beginning");
}

// Whoever can write there could send trainers to an exchanger of his own.
void require_private(const fs::path &folder) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) fail(folder, "used", errno);
  if (status.st_uid != ::geteuid()) refuse_folder(folder.string() + " belongs to another user: give each user its own");
  if ((status.st_mode & 022u) != 0) {
    refuse_folder(folder.string() + " may be written to by others: run chmod 700 " + folder.string());
  }
}

fs::path folder_of(const Settings &settings) {
  std::error_code error;
  const fs::path root = (fs::absolute(settings.rendezvous_dir, error) / "").parent_path();
  fs::path folder = root / file_name("agent_id", settings.agent_id);
  if (!error) fs::create_directories(root.parent_path(), error);
  for (const fs::path &part : {root, folder}) {
    if (error) fail(part, "made", error.value());
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) fail(part, "made", errno);
    require_private(part);
  }
  return folder;
}

// ---- The locks -------------------------------------------------------------------------------------------------

enum class Side : off_t { kExchanger, kAgent };  // whose byte it is

struct flock lock_of(Side side) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(side);
  lock.l_len = 1;
  return lock;
}

bool lock(const Descriptor &file, Side side, const std::string &path) {
  struct flock wanted = lock_of(side);
  if (::fcntl(file.get(), F_OFD_SETLK, &wanted) == 0) return true;
  if (errno != EAGAIN && errno != EACCES) fail(path, "locked", errno);
  return false;
}

bool is_locked(const Descriptor &file, Side side, const std::string &path) {
  struct flock other = lock_of(side);
  if (::fcntl(file.get(), F_OFD_GETLK, &other) != 0) fail(path, "asked for locks", errno);
  return other.l_type != F_UNLCK;
}

// Whether the path still means this file.
bool is_there(const Descriptor &file, const std::string &path) {
  struct stat opened {
  }, named{};
  return ::fstat(file.get(), &opened) == 0 && ::lstat(path.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
         opened.st_dev == named.st_dev;
}

Descriptor open_entry(const std::string &path, int more) {
  return Descriptor(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | more, 0600));
}

// ---- What is in it -----------------------------------------------------------------------------------------------

// Nothing while it is written: no beginning of an object is one.
std::optional<std::map<std::string, std::string>> read_entry(const std::string &path) {
  try {
    return read_profile(path);
  } catch (const Failure &) {
    return std::nullopt;
  }
}

std::string value_in(const std::map<std::string, std::string> &values, const std::string &name) {
  const auto found = values.find(name);
  return found == values.end() ? "" : found->second;
}

// Unless somebody has come in between.
void sweep(const Descriptor &file, const fs::path &path) {
  if (!lock(file, Side::kAgent, path) || !lock(file, Side::kExchanger, path) || !is_there(file, path)) return;
  ::unlink(fs::path(path).replace_extension(kSocket).c_str());
  ::unlink(path.c_str());
}

// Those that wait longest first.
std::vector<fs::path> entries_in(const fs::path &folder) {
  std::vector<std::pair<fs::file_time_type, fs::path>> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code gone;
    const auto since = fs::last_write_time(entry->path(), gone);
    if (!gone && entry->path().extension() == kEntry) found.emplace_back(since, entry->path());
  }
  if (error) fail(folder, "read", error.value());
  std::sort(found.begin(), found.end());
  std::vector<fs::path> paths;
  paths.reserve(found.size());
  for (auto &[since, path] : found) paths.push_back(std::move(path));
  return paths;
}

}  // namespace

// ---- Exchangers --------------------------------------------------------------------------------------------------

RendezvousEntry RendezvousEntry::claim(Settings *settings) {
  const fs::path folder = folder_of(*settings);
  const std::string path = folder / (file_name("job_id", settings->job_id) + kEntry);
  // Whoever looks whether an entry is left over has its lock for a moment.
  for (int tries_left = 50;; --tries_left) {
    Descriptor file = open_entry(path, O_CREAT);
    if (file.get() < 0) fail(path, "opened", errno);
    if (!lock(file, Side::kExchanger, path)) {
      if (tries_left <= 0) {
        throw Failure(FLARE_IO, "another process serves job '" + settings->job_id + "' for agent '" +
                                    settings->agent_id + "' (" + path + "): end it first");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      continue;
    }
    if (!is_there(file, path)) continue;
    RendezvousEntry entry(path, std::move(file));
    const auto before = read_entry(path).value_or(std::map<std::string, std::string>());
    if (::ftruncate(entry.file_.get(), 0) != 0) fail(path, "written", errno);
    entry.url_before_ = value_in(before, "url");
    if (settings->token.empty()) settings->token = value_in(before, "token");
    if (settings->token.empty()) settings->token = new_uuid();
    if (settings->url.empty()) settings->url = "zmq+ipc://" + fs::path(path).replace_extension(kSocket).string();
    return entry;
  }
}

RendezvousEntry::~RendezvousEntry() { withdraw(); }

std::string RendezvousEntry::url_before(const std::string &url) const {
  constexpr std::string_view kTcp = "zmq+tcp://";
  const bool open_port = url.starts_with(kTcp) && url.ends_with(":*") && url_before_.starts_with(kTcp);
  return open_port ? url.substr(0, url.size() - 1) + url_before_.substr(url_before_.rfind(':') + 1) : "";
}

void RendezvousEntry::publish(const Resolved &exchanger, std::map<std::string, std::string> values) {
  for (const char *name : kTold) {
    if (exchanger.chosen(name)) values[name] = exchanger.values.at(name);
  }
  const std::string text = nlohmann::json(values).dump();
  const ssize_t size = ::pwrite(file_.get(), text.data(), text.size(), 0);
  if (size != static_cast<ssize_t>(text.size())) fail(path_, "written", size < 0 ? errno : ENOSPC);
}

void RendezvousEntry::withdraw() noexcept {
  if (file_.get() < 0) return;
  if (is_there(file_, path_)) ::unlink(path_.c_str());
  file_ = Descriptor();
}

// ---- Agents ------------------------------------------------------------------------------------------------------

RendezvousLook look_for_job(const Settings &settings, const std::set<std::string> &avoid) {
  RendezvousLook look;
  for (const fs::path &path : entries_in(folder_of(settings))) {
    Descriptor file = open_entry(path, 0);
    if (file.get() < 0) continue;
    const std::string job = path.stem();
    if (!is_locked(file, Side::kExchanger, path)) {
      sweep(file, path);
    } else if (look.seat || avoid.count(job) > 0) {
      continue;
    } else if (!lock(file, Side::kAgent, path)) {
      look.taken = job;
    } else if (auto values = read_entry(path); values && is_there(file, path)) {
      look.seat = RendezvousSeat{job, path, *std::move(values), std::move(file)};
    }
  }
  return look;
}

}  // namespace flare
