// What a file or a variable says about options: names and values, alone and in a profile that the agent finds by
// itself; and files of keys.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/failure.h"
#include "base/text.h"
#include "config/curve_keys.h"
#include "config/discover.h"
#include "config/profile.h"
#include "fuzz_input.h"

namespace flare {
namespace {

constexpr std::string_view kSecret = "a-secret-that-no-message-shows";

void check_settings(const Settings &settings) {
  constexpr Duration kLongest = std::chrono::hours(24 * 3650);
  const auto fits = [&](std::optional<Duration> duration) {
    return !duration || (*duration > Duration::zero() && *duration <= kLongest);
  };
  require(fits(settings.connect_timeout) && fits(settings.close_timeout) && fits(settings.heartbeat_interval));
  require(fits(settings.heartbeat_timeout) && fits(settings.resend_interval) && fits(settings.reconnect_interval));
  require(fits(settings.submit_result_timeout) && fits(settings.streaming_idle_timeout));
  require(fits(settings.download_complete_timeout) && fits(settings.peer_read_timeout));
  require(settings.limits.max_tensor_bytes > 0 && settings.limits.max_message_bytes > 0 && settings.metric_queue > 0);
  require(!settings.agent_id.empty() && !settings.train_task_name.empty());
  require(settings.curve_exchanger_key.empty() || is_curve_key(settings.curve_exchanger_key));
  for (const std::string &text :
       {settings.url, settings.site, settings.job_id, settings.log_file, settings.advertise}) {
    require(is_utf8(text) && text.size() <= 4096 && text.find('\0') == std::string::npos);
  }
}

void check_failure(const Failure &failure) {
  require(failure.status() == FLARE_INVALID_ARGUMENT || failure.status() == FLARE_IO);
  require(std::string_view(failure.what()).find(kSecret) == std::string_view::npos);
}

void check_option(std::string_view name, std::string_view value) {
  Settings settings;
  try {
    apply_option(&settings, name, value, "the fuzzer");
    Options().set(name, value);
  } catch (const Failure &failure) {
    require(failure.status() == FLARE_INVALID_ARGUMENT);
  }
  check_settings(settings);
}

// A folder with the file config/flare_agent.json, which lives in memory.
class Workplace {
 public:
  Workplace() {
    require(::fchmod(file_, 0600) == 0 && ::mkdtemp(folder_) != nullptr);
    std::filesystem::create_directory(folder_ + std::string("/config"));
    std::filesystem::create_symlink(path(), folder_ + std::string("/") + kOwnProfile);
  }
  ~Workplace() { std::filesystem::remove_all(folder_); }

  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }
  void write(std::string_view content) const {
    require(::ftruncate(file_, 0) == 0);
    require(::pwrite(file_, content.data(), content.size(), 0) == static_cast<ssize_t>(content.size()));
  }
  template <typename Work>
  void within(Work work) const {
    const int before = ::open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    require(before >= 0 && ::chdir(folder_) == 0);
    work();
    require(::fchdir(before) == 0);
    ::close(before);
  }

 private:
  int file_ = ::memfd_create("profile", MFD_CLOEXEC);
  char folder_[40] = "/tmp/flare-settings-fuzz-XXXXXX";
};

void check_profile(std::string_view content) {
  static const Workplace workplace;
  workplace.write(content);
  try {
    for (const auto &[name, value] : read_profile(workplace.path())) require(is_utf8(name) && is_utf8(value));
  } catch (const Failure &failure) {
    check_failure(failure);
  }
  Options options;
  options.set("url", kDiscover);
  workplace.within([&] {
    try {
      check_settings(resolve_for_agent(options).settings);
    } catch (const Failure &failure) {
      check_failure(failure);
    }
  });
}

void check_key_file(std::string_view content) {
  static const Workplace workplace;
  workplace.write(content);
  Settings settings;
  settings.curve_secret_key_file = workplace.path();
  settings.curve_exchanger_key = std::string(40, '7');
  try {
    const auto keys = curve_keys_of_agent(settings);
    require(keys && is_curve_key(keys->secret));
  } catch (const Failure &failure) {
    check_failure(failure);
  }
}

void check_input(FuzzInput input) {
  const size_t choice = input.byte();
  // As the name of an option it may be shown: the user typed no secret there.
  if (FuzzInput(input).rest().find(kSecret) != std::string_view::npos) return;
  if (choice < option_count()) return check_option(option_at(choice).name, input.rest());
  if (choice < 0x80) {
    const std::string_view text = input.rest();
    const size_t middle = std::min(text.find('='), text.size());
    return check_option(text.substr(0, middle), text.substr(std::min(middle + 1, text.size())));
  }
  if (choice == 0xbf) return check_key_file(input.rest());
  if (choice < 0xc0) return check_profile(input.rest());
  // Whatever stands around it, a token is not shown.
  check_profile(R"({"token": ")" + std::string(kSecret) + "\"" + std::string(input.rest()));
}

}  // namespace
}  // namespace flare

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  flare::check_input({bytes, size});
  return 0;
}
