// What the head of a program says: for which processor it is and what is to run it.
#pragma once

#include <string>
#include <string_view>

namespace flare_tool::doctor {

struct Head {
  std::string kind;         // "ELF", "script", or empty for neither
  int machine = 0;          // of ELF: EM_*
  std::string interpreter;  // empty: none is needed, or it is not told in what was given
};

// Of the first bytes of the file. Pure; never looks beyond them.
Head read_head(std::string_view bytes);

// "x86-64" and the like.
std::string machine_text(int machine);

}  // namespace flare_tool::doctor
