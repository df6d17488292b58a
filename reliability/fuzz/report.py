"""What a run found so far: lines of results that a later run goes on from, and their summary."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from reliability.fuzz.watch import GROWTH

MB = 2**20


class Results:
    """Lines of JSON in a file; a last line that was cut short is dropped."""

    def __init__(self, path: Path) -> None:
        """Reads what is there."""
        self.path = path
        self.lines: list[dict[str, Any]] = []
        text = path.read_text("utf-8") if path.is_file() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            path.write_text(whole, "utf-8")
        self.lines = [json.loads(line) for line in whole.splitlines()]

    def add(self, line: dict[str, Any]) -> None:
        """Puts a line behind the others, also on the disk."""
        self.lines.append(line)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """What became of each input."""
        return [line for line in self.lines if "index" in line]

    def summary(self) -> dict[str, Any]:
        """Counts for each kind, the largest of what was measured, and every fault."""
        kinds: dict[str, dict[str, Any]] = {}
        groups = defaultdict(list)
        for line in self.inputs:
            groups[line["kind"]].append(line)
        for name, lines in sorted(groups.items()):
            counts = Counter(line["outcome"] for line in lines)
            kinds[name] = {
                "inputs": len(lines),
                "read": counts["read"],
                "refused": counts["refused"],
                "faults": counts["fault"],
                "slowest_s": round(max(line["seconds"] for line in lines), 2),
                "memory_mb": round(max(line["memory"] for line in lines) / MB, 1),
                "decoder_mb": round(max(line.get("decoding", 0) for line in lines) / MB, 1),
            }
        grown = [line["grown"] for line in self.lines if "grown" in line]
        return {
            "inputs": len(self.inputs),
            "faults": [line for line in self.inputs if line["outcome"] == "fault"],
            "kinds": kinds,
            "largest_growth_mb": round(max(grown, default=0) / MB, 1),
            "too_much_growth": any(growth > GROWTH for growth in grown),
            "seconds": round(sum(line["seconds"] for line in self.inputs), 1),
        }


def table(summary: dict[str, Any]) -> str:
    """The summary as a table in Markdown."""
    names = ("inputs", "read", "refused", "faults", "slowest_s", "memory_mb", "decoder_mb")
    rows = [["kind", *names], ["---"] * (len(names) + 1)]
    for kind, values in summary["kinds"].items():
        rows.append([kind, *(str(values[name]) for name in names)])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.append(
        f"\n{summary['inputs']} inputs, {len(summary['faults'])} faults; a process that read a "
        f"thousand of them grew by {summary['largest_growth_mb']} MB at most"
    )
    return "\n".join(lines)
