#include "pipe/file/folder_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace flare {

namespace {

FolderWatch::What what_of(uint32_t mask) {
  if (mask & IN_MOVED_TO) return FolderWatch::What::kArrived;
  if (mask & IN_MOVED_FROM) return FolderWatch::What::kTaken;
  if (mask & IN_DELETE) return FolderWatch::What::kRemoved;
  return FolderWatch::What::kMissed;
}

}  // namespace

FolderWatch::FolderWatch() : descriptor_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  if (fd() < 0) why_ = std::generic_category().message(errno);
}

int FolderWatch::add(const std::string &path, uint32_t what) {
  if (fd() < 0) return -1;
  const int folder = ::inotify_add_watch(fd(), path.c_str(), what | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
  if (folder < 0) why_ = path + ": " + std::generic_category().message(errno);
  return folder;
}

int FolderWatch::add_arrivals(const std::string &path) { return add(path, IN_MOVED_TO); }
int FolderWatch::add_departures(const std::string &path) { return add(path, IN_MOVED_FROM | IN_DELETE); }

std::vector<FolderWatch::Event> FolderWatch::take() {
  constexpr size_t kMost = 16;  // reads: whatever is left raises the descriptor again
  std::vector<Event> events;
  alignas(inotify_event) std::array<char, 16384> buffer;
  for (size_t i = 0; i < kMost; ++i) {
    const ssize_t count = ::read(fd(), buffer.data(), buffer.size());
    if (count <= 0) break;
    inotify_event event;
    for (size_t at = 0; at + sizeof event <= static_cast<size_t>(count); at += sizeof event + event.len) {
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char *name = buffer.data() + at + sizeof event;
      events.push_back({event.wd, what_of(event.mask), std::string(name, ::strnlen(name, event.len))});
    }
  }
  return events;
}

}  // namespace flare
