#include "doctor/elf.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace flare_tool::doctor {

namespace {

template <typename T>
std::optional<T> read_at(std::string_view bytes, uint64_t offset) {
  T value;
  if (offset > bytes.size() || bytes.size() - offset < sizeof value) return std::nullopt;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

template <typename Header, typename Segment>
std::string loader_of(std::string_view bytes) {
  const auto header = read_at<Header>(bytes, 0);
  if (!header) return "";
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    const auto segment = read_at<Segment>(bytes, header->e_phoff + uint64_t{i} * sizeof(Segment));
    if (!segment) return "";
    if (segment->p_type != PT_INTERP || segment->p_offset >= bytes.size()) continue;
    const std::string_view text = bytes.substr(segment->p_offset, segment->p_filesz);
    return std::string(text.substr(0, text.find('\0')));
  }
  return "";
}

// Numbers in another order than ours are of another processor, and nothing more is asked of it.
constexpr unsigned char kOwnOrder = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;

Head read_elf(std::string_view bytes) {
  Head head;
  head.kind = "ELF";
  const auto start = read_at<Elf32_Ehdr>(bytes, 0);  // e_machine is at the same place in both classes
  if (!start || start->e_ident[EI_DATA] != kOwnOrder) return head;
  head.machine = start->e_machine;
  head.interpreter = start->e_ident[EI_CLASS] == ELFCLASS64 ? loader_of<Elf64_Ehdr, Elf64_Phdr>(bytes)
                                                            : loader_of<Elf32_Ehdr, Elf32_Phdr>(bytes);
  return head;
}

Head read_script(std::string_view bytes) {
  Head head;
  head.kind = "script";
  std::string_view line = bytes.substr(2, bytes.find('\n') - 2);
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  head.interpreter = line.substr(0, line.find_first_of(" \t"));
  // The system takes it for a part of the last word there.
  if (line.ends_with('\r') && !head.interpreter.ends_with('\r')) head.interpreter += '\r';
  return head;
}

}  // namespace

Head read_head(std::string_view bytes) {
  if (bytes.starts_with(std::string_view(ELFMAG, SELFMAG))) return read_elf(bytes);
  if (bytes.starts_with("#!")) return read_script(bytes);
  return {};
}

std::string machine_text(int machine) {
  switch (machine) {
    case EM_X86_64: return "x86-64";
    case EM_386: return "32-bit x86";
    case EM_AARCH64: return "ARM 64";
    case EM_ARM: return "ARM 32";
    case EM_PPC64: return "POWER";
    case EM_RISCV: return "RISC-V";
    case EM_S390: return "IBM Z";
    default: return "the processor number " + std::to_string(machine) + " of ELF";
  }
}

}  // namespace flare_tool::doctor
