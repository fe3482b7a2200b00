"""Long jobs in stages: progress while they run, a closing summary, and an exit status that says whether all holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter


@dataclass(frozen=True)
class Job:
    """What the user asked for: the results folder and the data folder (None: the default one)."""

    results: Path
    data: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What a stage wrote, what it found, and which verifications failed, in one line each."""

    files: list[Path] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Stage:
    """One step of a job."""

    title: str
    run: Callable[[Job], Outcome]


def run_stages(job: Job, stages: Sequence[Stage]) -> int:
    """Run the stages in order and print a summary; 1 when a verification failed. Bad input raises UserError at once."""
    start = perf_counter()
    outcomes = []
    for number, stage in enumerate(stages, 1):
        print(f"[{number}/{len(stages)}] {stage.title} ...", flush=True)
        began = perf_counter()
        outcomes.append(stage.run(job))
        print(f"[{number}/{len(stages)}] {stage.title}: {perf_counter() - began:.1f} s", flush=True)
    files = list(dict.fromkeys(path for outcome in outcomes for path in outcome.files))
    findings = [finding for outcome in outcomes for finding in outcome.findings]
    failures = [failure for outcome in outcomes for failure in outcome.failures]
    print(f"\nwrote {len(files)} files" + (":" if files else ""), *files, sep="\n  ")
    if findings:
        print("\nfound:", *findings, sep="\n  - ")
    if failures:
        print("\nFAILED:", *failures, sep="\n  - ")
    print(f"\n{'NOT replicated: see above' if failures else 'done'}, {perf_counter() - start:.0f} s in all")
    return 1 if failures else 0
