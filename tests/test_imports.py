"""Imports go one way. The rules are read from the sources with `ast`."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("keras_attention", "pipelines", "export")

# From the bottom up: a module imports from groups below its own. A folder
# counts as one module. A new file gets its place here.
LAYERS = (
    {
        "functional",
        "past",
        "registry",
        "serialization",
        "step_losses",
        "private_keras",
        "time_loop",
    },
    {"auxiliary_losses", "look", "piece"},
    {"scores", "windows", "normalizers"},
    {
        "attend_in_turn",
        "attention_inputs",
        "model_inputs",
        "attention_vectors",
        "diagnostics",
        "layer_norm_cells",
        "reward_mixin",
        "scheduled_sampling",
        "tied_output",
    },
    {"base_attention", "recurrent_cells"},
    {"additive_attention", "attention", "hard_attention", "luong_attention"},
    {"cell_checks", "cell_sizes", "marginal", "memories"},
    {"cell_steps"},
    {"attention_cell"},
    {"attention_rnn", "bridge", "encoders", "migrate"},
    {"encoder_decoder"},
    {"search"},
)
# The command line, and the demo that plays it, know both packages.
KNOW_BOTH = {"pipelines.cli", "pipelines.demo"}
PRIVATE_KERAS = {"keras_attention.private_keras"}
# Everything that the runtime may need on a device.
ON_DEVICE = {"ai_edge_litert", "numpy", "sentencepiece"}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_imports(source, package):
    """Returns the dotted names that `source` imports or reaches.

    Args:
        source: str. The text of a module.
        package: str. The package that its relative imports start from.

    `from a import b` gives `a.b` (`b` may be a module), and an attribute
    chain that starts at an imported name, as `keras.src.backend`, is given
    whole: it reaches a module without importing it by name.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join([*parts, base] if base else parts)
            names.update(f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call):
            function = ast.unparse(node.func)
            if function in {"__import__", "importlib.import_module"}:
                names.add(ast.literal_eval(node.args[0]))
    chains = {
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
    }
    roots = {name.split(".")[0] for name in names}
    return names | {chain for chain in chains if chain.split(".")[0] in roots}


def read_all():
    imports = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            name = module_name(path)
            is_package = path.name == "__init__.py"
            imports[name] = read_imports(
                path.read_text(encoding="utf-8"),
                name if is_package else name.rpartition(".")[0],
            )
    return imports


IMPORTS = read_all()


def within(name, package):
    return name == package or name.startswith(f"{package}.")


def modules_of(*packages):
    return [
        module
        for module in sorted(IMPORTS)
        if any(within(module, package) for package in packages)
    ]


def violations(modules, forbidden):
    return [
        f"{module} uses {name}"
        for module in modules
        for name in sorted(IMPORTS[module])
        if any(within(name, package) for package in forbidden)
    ]


def outside_roots(module):
    """Top-level names that a module imports from beyond Python itself."""
    roots = {name.split(".")[0] for name in IMPORTS[module]}
    return roots - set(sys.stdlib_module_names)


def layer_of(module):
    """Returns the height of a module of keras_attention in `LAYERS`."""
    name = module.split(".")[1]
    for height, group in enumerate(LAYERS):
        if name in group:
            return height
    raise ValueError(
        f"keras_attention/{name} has no place in LAYERS of {__file__}. "
        "Add it to the group that it stands in."
    )


def imported_modules(importer):
    """Returns our own modules that a module imports, by their full names."""
    found = set()
    for name in IMPORTS[importer]:
        while name and name not in IMPORTS:
            name = name.rpartition(".")[0]
        found.add(name)
    return found - {"", importer}


def layer_edges():
    """Yields `(importer, imported)` between modules of keras_attention."""
    gathers = "keras_attention"  # its __init__ names what is public
    for importer in modules_of("keras_attention"):
        for imported in imported_modules(importer) - {gathers}:
            if importer != gathers:
                yield importer, imported


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import tensorflow as tf", "tensorflow"),
        ("def f():\n    from tensorflow import nn", "tensorflow.nn"),
        ("from keras import src", "keras.src"),
        ("import keras\nkeras.src.backend.rnn()", "keras.src.backend.rnn"),
        ("from . import scores", "keras_attention.scores"),
        ("from .scores import get", "keras_attention.scores.get"),
        ("import importlib\nimportlib.import_module('torch')", "torch"),
    ],
)
def test_the_reader_sees(source, expected):
    assert expected in read_imports(source, "keras_attention")


def test_all_packages_are_read():
    for package in PACKAGES:
        assert len(modules_of(package)) > 3, f"{package}: {sorted(IMPORTS)}"


def test_layers_use_only_keras_and_numpy():
    for module in modules_of("keras_attention"):
        foreign = outside_roots(module) - {"keras", "keras_attention", "numpy"}
        assert not foreign, f"{module} imports {sorted(foreign)}"


def test_layers_import_from_below():
    wrong = [
        f"{importer} imports {imported}"
        for importer, imported in layer_edges()
        if layer_of(importer) < layer_of(imported)
    ]
    assert not wrong


def test_layers_have_no_cycle():
    graph = {}
    for importer, imported in layer_edges():
        graph.setdefault(importer, set()).add(imported)
    assert graph
    graphlib.TopologicalSorter(graph).prepare()  # raises on a cycle


def test_named_attentions_do_not_import_each_other():
    named = {
        f"keras_attention.{name}"
        for group in LAYERS
        for name in group
        if name.endswith("_attention") and name != "base_attention"
    }
    wrong = [
        edge for edge in layer_edges() if edge[0] in named and edge[1] in named
    ]
    assert not wrong


def test_private_keras_is_touched_in_one_file():
    modules = set(modules_of(*PACKAGES)) - PRIVATE_KERAS
    assert not violations(sorted(modules), ["keras.src"])


def test_pipelines_and_export_do_not_know_each_other():
    pipelines = set(modules_of("pipelines")) - KNOW_BOTH
    assert not violations(sorted(pipelines), ["export"])
    assert not violations(modules_of("export"), ["pipelines"])


def test_export_package_imports_nothing():
    assert IMPORTS["export"] == set()


def test_runtime_needs_no_keras():
    """Also not through the modules of `export` that it imports."""
    waiting, seen = ["export.runtime"], set()
    while waiting:
        module = waiting.pop()
        seen.add(module)
        foreign = outside_roots(module) - ON_DEVICE - {"export"}
        assert not foreign, f"{module} imports {sorted(foreign)}"
        waiting += imported_modules(module) - seen


# Refuses everything that only an extra installs, but for Keras's backend.
LAYERS_ALONE = """
import importlib.abc
import sys

REFUSED = {
    "ai_edge_litert", "export", "matplotlib", "pipelines", "sacrebleu",
    "sentencepiece", "tensorflow_text", "tomli_w", "typer",
}


class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


sys.meta_path.insert(0, Refuse())
import numpy as np
import keras_attention

layer = keras_attention.AdditiveAttention(units=3)
context = layer([np.ones((2, 3, 5)), np.ones((2, 7, 11))])
assert context.shape == (2, 3, 11), context.shape
assert not REFUSED & {name.split(".")[0] for name in sys.modules}
"""


def test_layers_need_only_keras():
    done = subprocess.run(
        [sys.executable, "-c", LAYERS_ALONE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
