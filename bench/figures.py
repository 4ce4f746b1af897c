"""Figures of contenders: kept, compared, and shown as a table and as a picture."""
import html
import statistics
from dataclasses import dataclass, field
from typing import Callable, Optional


class Skipped(Exception):
    """A contender that is not there; the text says why."""


@dataclass
class Case:
    kind: str  # cycle, model, session, language, nvflare, job
    group: str  # of contenders that run in turn
    name: str
    unit: str
    once: Callable  # returns a time, or another figure, and a dictionary of counters
    to: Optional[str] = None  # the contender of the group that this one is compared with
    scale: float = 1
    repetitions: Optional[int] = None  # else those of the command line
    values: list = field(default_factory=list)
    counters: list = field(default_factory=list)
    skipped: Optional[str] = None

    def add(self, value, counters):
        self.values.append(value * self.scale)
        self.counters.append(counters)

    def ratios(self, cases):
        """To the other contender, within each repetition."""
        base = next((case for case in cases if case.group == self.group and case.name == self.to), None)
        return [mine / its for mine, its in zip(self.values, base.values)] if base else []

    def counter(self, name, pick=statistics.median):
        values = [counters[name] for counters in self.counters if name in counters]
        return pick(values) if values else None

    def report(self, cases):
        names = sorted({name for counters in self.counters for name in counters})
        return {"kind": self.kind, "group": self.group, "name": self.name, "unit": self.unit, "skipped": self.skipped,
                "values": self.values, "compared_with": self.to, "ratios": self.ratios(cases),
                "counters": {name: [counters.get(name) for counters in self.counters] for name in names}}


def spread(values, digits=1):
    return " / ".join(f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))


def notes(case):
    """The counters that say most about this kind of case."""
    parts = []

    def say(name, text, pick=statistics.median):
        value = case.counter(name, pick)
        if value is not None:
            parts.append(text.format(value))

    say("p99_us", "p99 {:.0f} us")
    say("max_ms", "max {:.1f} ms", max)
    if case.kind == "cycle":
        switches = [case.counter(f"{end}_voluntary_switches") for end in ("here", "other")]
        parts.append("switches " + " + ".join(f"{each:.1f}" for each in switches if each is not None))
    for role in ("sender", "receiver"):
        say(f"{role}_extra_mib", role + " +{:.1f} MiB", max)
        say(f"{role}_page_fault_share", "faults {:.2%}")
        say(f"{role}_page_fault_share_max", "(max {:.2%})", max)
        say(f"{role}_maps", "maps {:.0f}", max)
    if case.kind == "model":
        used = [case.counter(f"{end}_cpu_s") for end in ("here", "other")]
        parts.append("cpu " + " + ".join(f"{each:.2f}" for each in used if each is not None) + " s")
    if case.kind == "nvflare":
        say("start_ms", "connected after {:.0f} ms")
        say("trainer_peak_mib", "at most {:.0f} MiB resident")
    say("rss_mib", "{:.1f} MiB resident")
    say("round_s", "round {:.1f} s")
    for name in ("trainer", "job_process"):
        say(f"{name}_mib", name.replace("_", " ") + " {:.0f} MiB,", max)
        say(f"{name}_models", "{:.1f} models more than without one", max)
    return ", ".join(parts)


def table(cases, facts):
    lines = [f"{facts['processor']}, {facts['cores']} cores, Linux {facts['kernel']}, {facts['date']}, "
             f"load before {facts['load_before']:.1f}",
             f"library {facts['library_bytes']} bytes, stripped {facts.get('library_bytes_stripped')}, "
             f"loaded in {facts['load_ms']:.1f} ms", ""]
    group = None
    for case in cases:
        if case.group != group:
            group = case.group
            lines += [group, f"  {'':42}{'min / median / max':>32}   ratio (median of repetitions)"]
        if case.skipped or not case.values:
            lines.append(f"  {case.name:42}{'skipped: ' + (case.skipped or 'it did not run')}")
            continue
        ratios = case.ratios(cases)
        ratio = f"{statistics.median(ratios):6.2f} x {case.to}" if ratios else ""
        lines.append(f"  {case.name:42}{spread(case.values):>26} {case.unit:6}{ratio}")
        if text := notes(case):
            lines.append(f"      {text}")
    return "\n".join(lines)


def draw(cases, facts):
    """The ratios, as bars with their least and greatest value."""
    shown = [(case, case.ratios(cases)) for case in cases]
    shown = [(case, ratios) for case, ratios in shown if ratios]
    row, left, width = 22, 430, 420
    most = max([min(max(ratios), 12) for _, ratios in shown] + [2])
    height = 70 + row * len(shown)
    place = lambda value: left + width * min(value, most) / most  # noqa: E731
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{height}" '
             f'font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="10" y="20" font-size="14">Time as a multiple of what it is compared with '
             f'(bar: median, line: least to greatest)</text>',
             f'<text x="10" y="38" fill="#555">{html.escape(facts["processor"])}, {facts["cores"]} cores, '
             f'{facts["date"]}</text>']
    for index, (case, ratios) in enumerate(shown):
        y = 52 + row * index
        middle = statistics.median(ratios)
        label = f"{case.group}: {case.name} / {case.to}"
        color = "#2b6cb0" if case.name.startswith(("zmq+", "memory")) else "#a0aec0"
        parts += [f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{html.escape(label)}</text>',
                  f'<rect x="{left}" y="{y}" width="{place(middle) - left:.1f}" height="14" fill="{color}"/>',
                  f'<line x1="{place(min(ratios)):.1f}" x2="{place(max(ratios)):.1f}" y1="{y + 7}" y2="{y + 7}" '
                  f'stroke="#1a202c"/>',
                  f'<text x="{place(max(max(ratios), middle)) + 6:.1f}" y="{y + 12}">{middle:.2f}</text>']
    one = place(1)
    parts.append(f'<line x1="{one:.1f}" x2="{one:.1f}" y1="46" y2="{height - 10}" stroke="#c53030" '
                 f'stroke-dasharray="4 3"/>')
    return "\n".join(parts + ["</svg>"]) + "\n"
