"""What the C headers declare, for the scripts that make a language's declarations of it (LANGUAGE/checks/generate)."""
import pathlib
import re
import sys

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "include"
NAMES = ("flare_agent.h", "flare_exchanger.h")


class Header:
    """The declarations of one header, in its order; types and parameters as C writes them."""

    def __init__(self, name):
        text = re.sub(r"/\*.*?\*/", "", (FOLDER / name).read_text(), flags=re.S)
        text = re.sub(r"\\\n", " ", text)
        self.versions = re.findall(r"^#define (FLARE_VERSION_(?:MAJOR|MINOR|PATCH)) (\d+)", text, flags=re.M)
        text = re.sub(r"^\s*#.*", "", text, flags=re.M)
        self.handles = re.findall(r"typedef struct (\w+) \1;", text)
        self.aliases = re.findall(r"typedef (\w+) (flare_\w+);", text)
        self.constants = [constant for entries in re.findall(r"enum \{(.*?)\}", text, flags=re.S)
                          for constant in re.findall(r"(FLARE_\w+) = (\S+?)(?:,|\s|$)", entries)]
        self.structs = [(name, fields.strip().rstrip(";").split(";")) for name, fields in
                        re.findall(r"typedef struct (\w+) \{(.*?)\}", text, flags=re.S)]
        self.functions = [
            (result, name, [] if parameters.strip() == "void" else re.sub(r"\s+", " ", parameters).split(","))
            for result, name, parameters in
            re.findall(r"FLARE_API\s+(?:FLARE_MUST_USE\s+)?([\w\s]+?[\s*]+)(flare_\w+)\(([^)]*)\)", text)]


def type_and_name(declaration):
    """Of a field or parameter."""
    return re.fullmatch(r"(.*?[\s*])(\w+)", declaration.strip()).groups()


def write_or_check(target, made):
    """Writes the file; with --check it only compares."""
    if sys.argv[1:] != ["--check"]:
        target.write_text(made)
    elif target.read_text() != made:
        sys.exit(f"{target} does not match the headers: run checks/generate")
