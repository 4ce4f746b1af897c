#include "exec/file_pieces.h"

#include <limits.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "descriptor.h"

namespace flare_tool {

void FilePieces::add(std::string made) {
  made_.push_back(std::move(made));
  refer_to(std::as_bytes(std::span(made_.back())));
}

void FilePieces::refer_to(std::span<const std::byte> elements) {
  if (!elements.empty()) pieces_.push_back(elements);
  size_ += elements.size();
}

void FilePieces::write(const std::filesystem::path &path) const {
  const Descriptor file(path, O_WRONLY | O_CREAT | O_EXCL);
  std::vector<iovec> left;
  for (const auto piece : pieces_) left.push_back({const_cast<std::byte *>(piece.data()), piece.size()});
  for (auto next = left.begin(); next != left.end();) {
    const auto count = std::min<std::ptrdiff_t>(left.end() - next, IOV_MAX);
    ssize_t written = ::writev(file.get(), &*next, static_cast<int>(count));
    if (written < 0 && errno != EINTR)
      throw std::system_error(errno, std::generic_category(), "cannot write " + path.string());
    for (; written > 0 && static_cast<size_t>(written) >= next->iov_len; ++next)
      written -= static_cast<ssize_t>(next->iov_len);
    if (written > 0) {  // the kernel writes at most 2 GiB at a time
      next->iov_base = static_cast<std::byte *>(next->iov_base) + written;
      next->iov_len -= static_cast<size_t>(written);
    }
  }
}

}  // namespace flare_tool
