// Names of cells in NVFlare's network (FQCN), and that of a trainer's pipe. Both ends of a pipe work it out for
// themselves, so that it must be the same letter by letter.
#pragma once

#include <string>
#include <string_view>

namespace flare {

// How NVFlare names the cell of a pipe; it cannot be sensed before both ends are connected.
enum class CellNaming {
  kFlat,    // up to 2.8
  kTagged,  // the development version of 2.9, before its pipes were dropped
};

enum class PipeEnd { kActive, kPassive };  // the trainer's, the client job process's

struct PipeName {
  std::string parent;  // the cell that the pipe's cell is connected to: the server, a site, a relay
  std::string site;
  std::string token;  // the job, or an id that both ends agreed on
};

// Throws Failure(FLARE_INVALID_ARGUMENT) for names that NVFlare would not take.
std::string pipe_cell_name(CellNaming naming, const PipeName &name, PipeEnd end);

// Segments of letters, digits, '_', '-' and '~' between dots, none of them empty or there twice.
bool is_cell_name(std::string_view name);

}  // namespace flare
