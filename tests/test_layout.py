"""What holds for every module: imports do nothing, arrows point one way, commands explain themselves."""

import argparse
import ast
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.artefacts import ARTEFACTS
from replication.commands import command_for

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("replication", "analysis")


def sources() -> dict[str, Path]:
    """Module name -> source file, for every module of both packages."""
    files = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def tree(module: str) -> ast.Module:
    return ast.parse(sources()[module].read_text(encoding="utf-8"))


def commands() -> list[str]:
    """Modules that define ``main``."""
    return [
        module
        for module in sources()
        if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree(module).body)
    ]


def imported(module: str) -> set[str]:
    """Every module name that ``module`` imports anywhere, relative imports made absolute."""
    package = module if sources()[module].name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            name = ".".join(filter(None, [base, node.module]))
            found |= {name} | {f"{name}.{alias.name}" for alias in node.names}
    return found


def test_modules_are_found() -> None:
    assert {"replication", "replication.models.msrn", "replication.data.__main__"} <= set(sources())
    assert {"replication.evaluate", "replication.train", "analysis.cost_ratio", "analysis.__main__"} <= set(commands())


IMPORT_ALL = """
import importlib, json, os, random, sys
import matplotlib, numpy, torch

def settings():
    return {
        "threads": [torch.get_num_threads(), torch.get_num_interop_threads()],
        "type": str(torch.get_default_dtype()),
        "device": str(torch.get_default_device()),
        "grad": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "backends": [torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic, torch.backends.mkldnn.enabled],
        "sharing": torch.multiprocessing.get_sharing_strategy(),
        "random": [hash(random.getstate()), hash(torch.random.get_rng_state().numpy().tobytes()),
                   hash(numpy.random.get_state()[1].tobytes())],
        "numpy": [repr(numpy.get_printoptions()), repr(numpy.geterr())],
        "torch print": repr(vars(torch._tensor_str.PRINT_OPTS)),
        "figures": {key: repr(matplotlib.rcParams._get(key)) for key in matplotlib.rcParams},
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "path": sys.path[:],
        "hooks": [repr(sys.excepthook), repr(sys.displayhook)],
    }

changed = {}
before = settings()
for module in json.loads(sys.argv[1]):
    importlib.import_module(module)
    after = settings()
    different = [key for key in after if after[key] != before[key]]
    if different:
        changed[module] = different
    before = after
json.dump(changed, open(sys.argv[2], "w"))
"""


def test_importing_does_nothing(tmp_path: Path) -> None:
    """No output, no files, no changed setting of the process."""
    folder, home, report = tmp_path / "run", tmp_path / "home", tmp_path / "report.json"
    folder.mkdir()
    home.mkdir()
    before = {path for package in PACKAGES for path in (ROOT / package).rglob("*") if "__pycache__" not in path.parts}
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(home),
        "MPLCONFIGDIR": str(tmp_path / "matplotlib"),  # matplotlib's own cache
    }
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, json.dumps(list(sources())), str(report)],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads(report.read_text(encoding="utf-8")) == {}
    assert list(folder.iterdir()) == []
    assert list(home.iterdir()) == []
    after = {path for package in PACKAGES for path in (ROOT / package).rglob("*") if "__pycache__" not in path.parts}
    assert after == before


@pytest.mark.parametrize("module", [name for name in sources() if name.startswith("replication")])
def test_replication_does_not_know_analysis(module: str) -> None:
    assert not [name for name in imported(module) if name.partition(".")[0] == "analysis"]


def graph() -> dict[str, set[str]]:
    """Module -> modules of both packages that it imports, wherever in the file. A package's name is its __init__."""
    known = set(sources())
    return {module: (imported(module) & known) - {module} for module in known}


def circles(arrows: dict[str, set[str]]) -> list[str]:
    """Modules that can be reached from themselves."""
    found = []
    for start in arrows:
        seen: set[str] = set()
        waiting = list(arrows[start])
        while waiting:
            module = waiting.pop()
            if module not in seen:
                seen.add(module)
                waiting += arrows[module]
        if start in seen:
            found.append(start)
    return sorted(found)


def test_no_circles() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == ["a", "b", "c"]
    assert circles(graph()) == []


COMMANDS = {"analysis.__main__", "analysis.cost_ratio", "analysis.claims.__main__"}
REPORT = "analysis.report."
"""The report is made of what the pages and figures say, so it may import them."""


def renders(module: str) -> bool:
    """Whether the module is a page or a figure: it writes an artefact and may hold sentences."""
    return module.endswith("page") or module.startswith("analysis.figures.")


def test_only_the_list_of_artefacts_and_commands_import_pages() -> None:
    pages = {module for module in sources() if renders(module)}
    assert {"analysis.claims.page", "analysis.cost.cost_page", "analysis.figures.figure1"} <= pages
    wrong = [
        f"{module} imports {one}"
        for module, arrows in graph().items()
        for one in arrows & pages
        if module not in COMMANDS | {"analysis.artefacts"}
        and not module.startswith(REPORT)
        and not (module.startswith("analysis.figures.") and one.startswith("analysis.figures."))
    ]
    assert wrong == []


@pytest.mark.parametrize("module", ["replication.errors", "replication.files", "analysis.cost.closed_form"])
def test_light_modules(module: str) -> None:
    """The closed form checks nothing if it asks the networks or the counter; and without torch it answers at once."""
    heavy = "{'torch', 'numpy', 'fvcore', 'replication.models'}"
    program = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("module", commands())
def test_help(module: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """``--help`` says what the command does, explains every option, and shows a command to copy."""
    parsers: list[argparse.ArgumentParser] = []
    format_help = argparse.ArgumentParser.format_help
    monkeypatch.setattr(
        argparse.ArgumentParser, "format_help", lambda parser: (parsers.append(parser), format_help(parser))[1]
    )
    with pytest.raises(SystemExit) as caught:
        importlib.import_module(module).main(["--help"])
    output = capsys.readouterr()
    assert (caught.value.code, output.err) == (0, "")
    (parser,) = parsers
    command = f"python -m {module.removesuffix('.__main__')}"
    assert output.out.startswith(f"usage: {command} ")
    assert len((parser.description or "").split()) >= 8, "no description"
    assert re.search(rf"^ *{re.escape(command)}\b", parser.epilog or "", re.MULTILINE), "no example command"
    assert f"\n{(parser.epilog or '').rstrip()}\n" in output.out, "the examples are wrapped"
    assert [action.dest for action in parser._actions if not action.help] == []
    assert mistaken(parser.epilog or "", monkeypatch, capsys) == []


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "tox.ini", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_on_pages_are_understood(
    page: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mistaken(page.read_text(encoding="utf-8"), monkeypatch, capsys) == []


def mistaken(text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The commands of this package in ``text`` with an option, choice or artefact that is not there."""
    parse, wrong = argparse.ArgumentParser.parse_args, []

    def parse_alone(parser: argparse.ArgumentParser, words: list[str]) -> None:
        for action in parser._actions:
            action.required = False  # a text may leave them out
        known = {"NAME", *(one.name for one in ARTEFACTS)}
        if parser.prog == "python -m analysis" and not set(parse(parser, words).names) <= known:
            parser.error("unrecognized artefact")
        parse(parser, words)
        sys.exit(0)

    joined = re.sub(r"\s*\\\n\s*", " ", text)
    for module, rest in re.findall(r"-m ((?:replication|analysis)\b[.\w]*)([^\n`]*)", joined):
        words = re.split(r" {2,}| #|[<>|;&]|\{posargs\}|\.\.\.", re.sub(r"\$\{?model\}?", "smsrn", rest))[0]
        name = f"{module}.__main__" if sources()[module].name == "__init__.py" else module
        with monkeypatch.context() as patch:
            patch.setattr(argparse.ArgumentParser, "parse_args", parse_alone)
            with pytest.raises(SystemExit):
                importlib.import_module(name).main(shlex.split(words))
        if re.search("unrecognized|invalid", said := capsys.readouterr().err):
            wrong.append(f"{module}{words}: {said}")
    return wrong


@pytest.mark.parametrize("module", ["replication.upscale", "replication.export", "replication.evaluate"])
def test_help_offers_no_scale_without_weights(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def words() -> str:
        return " ".join(importlib.import_module(module).parser().format_help().split())

    monkeypatch.setattr("replication.weights.shipped", lambda model, scale: Path() if scale == 3 else None)
    assert re.search(r"--scale .*?\b3 \(default: 4.*?\); 2, 4, 8 have no weights here and need --weights", words())
    monkeypatch.setattr("replication.weights.shipped", lambda model, scale: Path())
    assert "2, 3, 4, 8 (default: 4" in words()
    assert "need --weights" not in words()


def test_help_says_which_backends_are_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "openvino" else name)
    help_text = " ".join(importlib.import_module("replication.upscale").parser().format_help().split())
    assert 'default: torch; openvino is not installed here (pip install ".[openvino]")' in help_text


def instead() -> dict[str, str]:
    return importlib.import_module("replication.commands").INSTEAD | importlib.import_module("analysis").INSTEAD


@pytest.mark.parametrize("module", sources())
def test_a_module_without_a_command_names_one(module: str) -> None:
    """`commands` finds the commands otherwise than the packages do."""
    known = {name.removesuffix(".__main__") for name in commands()}
    found = command_for(module, instead())
    if module in known | {f"{name}.__main__" for name in known}:
        assert found is None
    else:
        assert found in known


def test_what_is_named_in_the_list_is_there() -> None:
    assert set(instead()) <= set(sources())
    assert command_for("replication.no_such_module", instead()) is None
    assert command_for("json.tool", instead()) is None


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["-m", "replication.fold", "-m", "x"], 2, "fold is not a command; run: python -m replication.export"),
        (["-Bm", "replication.images"], 2, "error: replication.images is not a command"),
        (["-manalysis.cost.closed_form"], 2, "closed_form is not a command; run: python -m analysis.cost"),
        (["-m", "replication.no_such_module"], 1, "No module named replication.no_such_module"),
        (["-c", "import replication.fold, sys; sys.argv = ['-x']; import analysis.text"], 0, ""),
    ],
)  # fmt: skip
def test_python_m_of_a_module_without_a_command(options: list[str], status: int, words: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *options], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (status, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == (1 if words else 0)


@pytest.mark.parametrize("module", commands())
def test_unknown_option(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        importlib.import_module(module).main(["--no-such-option"])
    assert caught.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize("module", commands())
def test_ends_in_run(module: str) -> None:
    last = ast.unparse(tree(module).body[-1])
    assert last == "if __name__ == '__main__':\n    run(main)"


@pytest.mark.parametrize("module", sources())
def test_docstring_and_no_relative_imports(module: str) -> None:
    assert ast.get_docstring(tree(module)), f"{module} does not say what it is for"
    assert not [node for node in ast.walk(tree(module)) if isinstance(node, ast.ImportFrom) and node.level]


@pytest.mark.parametrize("module", sources())
def test_named_modules_exist(module: str) -> None:
    """What a docstring or comment names in backticks as `package.module` or `package.module.name` is there."""
    text = sources()[module].read_text(encoding="utf-8")
    for name in set(re.findall(r"`((?:analysis|replication)(?:\.\w+)+)`", text)):
        above, _, last = name.rpartition(".")
        there = sources().get(above)
        defined = there and re.search(rf"\b{last}\b", there.read_text(encoding="utf-8"))
        assert name in sources() or defined, f"{module} names `{name}`"


OWN_FORMAT = re.compile(r"[.\d][fg]\} ?%|\d%\}")
"""A number that is made a percentage inside a string."""


def formatters() -> list[str]:
    """Modules of analysis, other than its formatter, that format percentages, tables or wrapped prose themselves."""
    modules = [name for name in sources() if name.startswith("analysis") and name != "analysis.text"]
    own = [name for name in modules if OWN_FORMAT.search(sources()[name].read_text(encoding="utf-8"))]
    return own + [name for name in modules if imported(name) & {"tabulate", "textwrap"}]


def test_one_place_formats() -> None:
    assert OWN_FORMAT.search('f"{share:.2f} %"')
    assert OWN_FORMAT.search('f"{share:.0%}"')
    assert not OWN_FORMAT.search('f"{number:.2f} and 3 %"')
    assert formatters() == []


def project_files() -> list[Path]:
    """What git tracks or would add."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git clone")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    output = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in output.decode().split("\0") if name and (ROOT / name).is_file()]


MACHINE_PATH = re.compile(rb"""(?<![\w.~/-])(?:/(?:home|root|work|Users|mnt|media)/[\w.]|[A-Za-z]:\\Users\\)""")


def test_machine_paths_are_recognised() -> None:
    for home in ("home", "root", "work", "Users"):
        assert MACHINE_PATH.search(f'"data": "/{home}/someone/x.png"'.encode())
    for text in (b"https://example.org/home/page", b"data/work/x", b"24/7 and/or", b"~/work/x"):
        assert not MACHINE_PATH.search(text)


def test_no_machine_paths() -> None:
    found = []
    for path in project_files():
        for match in MACHINE_PATH.finditer(path.read_bytes()):
            found.append(f"{path.relative_to(ROOT)}: {match.group()!r}")
    assert found == []
