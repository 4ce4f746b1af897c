#include "keys.h"

#include <fcntl.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace flare_tool {

namespace {

constexpr size_t kKeyText = 41;  // with the final NUL

[[noreturn]] void fail(const std::filesystem::path &path) {
  const int why = errno;
  throw std::runtime_error("cannot make " + path.string() + ": " + std::generic_category().message(why) +
                           (why == EEXIST ? ", and a key that is in use is not replaced" : ""));
}

// A file that was not there before; it goes again unless all of it was written.
class NewFile {
 public:
  NewFile(std::filesystem::path path, mode_t mode) : path_(std::move(path)) {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (descriptor_ < 0) fail(path_);
  }
  ~NewFile() {
    ::close(descriptor_);
    if (!kept_) ::unlink(path_.c_str());
  }
  NewFile(const NewFile &) = delete;
  NewFile &operator=(const NewFile &) = delete;

  void write(const std::string &text) const {
    if (::write(descriptor_, text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fsync(descriptor_) != 0) {
      fail(path_);
    }
  }
  void keep() { kept_ = true; }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  bool kept_ = false;
};

}  // namespace

KeyFiles make_keys(const std::filesystem::path &path) {
  std::array<char, kKeyText> public_key{}, secret_key{};
  if (::zmq_curve_keypair(public_key.data(), secret_key.data()) != 0) {
    throw std::runtime_error("the libzmq in use was built without CURVE: install one that has it, as that of Debian");
  }
  const KeyFiles files{path.string() + ".secret", path.string() + ".public"};
  NewFile secret_file(files.secret_file, 0600);
  NewFile public_file(files.public_file, 0644);
  secret_file.write("secret " + std::string(secret_key.data()) + "\n");
  public_file.write("public " + std::string(public_key.data()) + " " + path.filename().string() + "\n");
  secret_file.keep();
  public_file.keep();
  return files;
}

}  // namespace flare_tool
