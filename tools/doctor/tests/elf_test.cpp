#include "doctor/elf.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>

namespace flare_tool::doctor {
namespace {

std::string binary(uint64_t segment_offset, uint64_t segments) {
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_machine = EM_AARCH64;
  header.e_phoff = segment_offset;
  header.e_phnum = static_cast<Elf64_Half>(segments);
  Elf64_Phdr segment = {};
  segment.p_type = PT_INTERP;
  segment.p_offset = sizeof header + sizeof segment;
  segment.p_filesz = 12;
  std::string bytes(sizeof header + sizeof segment, '\0');
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + sizeof header, &segment, sizeof segment);
  return bytes + std::string("/lib/ld.so.1\0rest", 17);
}

TEST(Head, OfABinaryNamesProcessorAndLoader) {
  const Head head = read_head(binary(sizeof(Elf64_Ehdr), 1));
  EXPECT_EQ(head.kind, "ELF");
  EXPECT_EQ(machine_text(head.machine), "ARM 64");
  EXPECT_EQ(head.interpreter, "/lib/ld.so.1");
}

TEST(Head, OfAScriptNamesItsInterpreter) {
  EXPECT_EQ(read_head("#! /usr/bin/env python3\nx").interpreter, "/usr/bin/env");
  EXPECT_EQ(read_head("#!/bin/sh").interpreter, "/bin/sh");
  EXPECT_EQ(read_head("#!\n").interpreter, "");
}

TEST(Head, OfOtherFilesIsNone) {
  EXPECT_EQ(read_head("").kind, "");
  EXPECT_EQ(read_head("text").kind, "");
}

TEST(Head, ThatIsCutOrLiesIsReadNoFurther) {
  const std::string whole = binary(sizeof(Elf64_Ehdr), 1);
  for (size_t size = SELFMAG; size < whole.size(); ++size) EXPECT_EQ(read_head(whole.substr(0, size)).kind, "ELF");
  EXPECT_EQ(read_head(binary(~uint64_t{0} - 8, 0xffff)).interpreter, "");
  EXPECT_EQ(read_head(binary(sizeof(Elf64_Ehdr), 0)).interpreter, "");
}

}  // namespace
}  // namespace flare_tool::doctor
