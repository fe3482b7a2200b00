"""What the wheel holds, and what it declares to need."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("replication", "analysis")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TOOLS = {"mypy", "ruff", "setuptools"}
"""Declared for what they do, and not imported."""


def test_the_wheel_holds_every_file_of_the_packages(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    expected = {
        path.relative_to(tree).as_posix() for one in PACKAGES for path in (tree / one).rglob("*") if path.is_file()
    }
    program = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=tree, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert found == expected


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    return {normal(re.split(r"[<>=!~\[; ]", one, maxsplit=1)[0]) for one in requirements}


def imported(folder: Path) -> set[str]:
    """Distributions of other projects that are imported below a folder, also by name with `extra`."""
    modules: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in (
                "extra",
                "importorskip",
            ):
                named = [one.value for one in node.args[:1] if isinstance(one, ast.Constant)]
                modules |= {name.partition(".")[0] for name in named}
    known = packages_distributions()
    ours = {*PACKAGES, "__future__"} | set(sys.stdlib_module_names)
    return {normal(known[name][0]) if name in known else normal(name) for name in modules - ours}


def test_imports_are_declared_and_what_is_declared_is_imported() -> None:
    used = set().union(*(imported(ROOT / package) for package in PACKAGES))
    extras = {name: declared(values) for name, values in PROJECT["optional-dependencies"].items()}
    needed = declared(PROJECT["dependencies"])
    for_users = needed.union(*(values for name, values in extras.items() if name != "test"))
    assert used - for_users == set(), "imported and not declared"
    assert for_users - used == set(), "declared and imported nowhere"
    in_tests = imported(ROOT / "tests")
    stubs = {name for name in extras["test"] if name.startswith("types-") or name.endswith("-stubs")}
    assert extras["test"] - TOOLS - stubs - in_tests == set(), "declared for the tests and not imported by them"
    stubbed = {name.removeprefix("types-").removesuffix("-stubs") for name in stubs}
    assert stubbed - needed == set(), "stubs of something that is not needed"


@pytest.mark.parametrize("name", [one.split("==")[0] for one in PROJECT["dependencies"]])
def test_every_dependency_has_an_exact_version(name: str) -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    exact = {normal(line.split("==")[0]) for line in lines if "==" in line}
    assert declared([name]) <= exact


def test_commits_are_checked_as_tox_checks() -> None:
    entries = re.findall(r"entry: (.+)", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    commands = {line.strip() for line in (ROOT / "tox.ini").read_text(encoding="utf-8").splitlines()}
    assert entries == ["ruff check", "ruff format --check", "mypy"]
    assert set(entries) <= commands
