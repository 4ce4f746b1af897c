// A file to be written, in pieces: what was made for it, and elements that stay where they are. No byte of a model is
// copied on its way into a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace flare_tool {

class FilePieces {
 public:
  FilePieces() = default;
  FilePieces(FilePieces &&) = default;
  FilePieces &operator=(FilePieces &&) = default;

  void add(std::string made);
  void refer_to(std::span<const std::byte> elements);

  uint64_t size() const { return size_; }
  const std::vector<std::span<const std::byte>> &pieces() const { return pieces_; }

  // Writes a new file that only this user can read. Throws std::system_error with its path.
  void write(const std::filesystem::path &path) const;

 private:
  std::deque<std::string> made_;  // its strings stay where they are
  std::vector<std::span<const std::byte>> pieces_;
  uint64_t size_ = 0;
};

}  // namespace flare_tool
